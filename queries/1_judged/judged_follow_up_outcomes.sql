-- judged_follow_up_outcomes: every outcome of a follow-up handed on, less copies, with the reason why it is rejected, where it is
-- grain: a row of unique_follow_up_outcomes
-- reads: unique_follow_up_outcomes, unique_surveys
with

-- one row per answer that is beyond doubt
answered as (
    select follow_up_of(response_id) as named_id, response_id, responded_at
    from unique_surveys
    where response_id is not null
      and _problem is null
      and not is_conflicting
),

-- an outcome names its answer, or the follow-up by which the answer was listed
named as (
    select *, coalesce(follow_up_id, follow_up_of(response_id)) as named_id
    from unique_follow_up_outcomes
),

-- of identical rows the first counts
numbered as (
    select
        *,
        row_number() over (
            partition by _problem, named_id, contacted_at, outcome, root_cause, resolved_at, team
            order by _file, _row
        ) as copy
    from named
),

-- one contact has one outcome
compared as (
    select
        *,
        count(*) over (partition by _problem, named_id, contacted_at) > 1 as has_several_outcomes
    from numbered
    where copy = 1
       or _problem is not null
       or named_id is null
       or contacted_at is null
)

select
    compared.* exclude (copy, has_several_outcomes),
    answered.response_id as answer_id,
    (compared.contacted_at > $as_of) is true as is_after_as_of,
    case
        when compared._problem is not null then compared._problem
        when compared.contacted_at > $as_of then null
        when compared.named_id is null then 'missing response_id or follow_up_id'
        when compared.follow_up_id <> follow_up_of(compared.response_id)
            then 'response_id and follow_up_id of two answers'
        when compared.contacted_at_note in ('unreadable', 'implausible')
            then concat(compared.contacted_at_note, ' contacted_at')
        when compared.contacted_at is null then 'missing contacted_at'
        when compared.is_conflicting or compared.has_several_outcomes then 'conflicting duplicate'
        when compared.outcome_note = 'unreadable' then 'unknown outcome'
        when compared.outcome is null then 'missing outcome'
        when compared.contacted_at < answered.responded_at then 'contact before its answer'
    end as reject_reason
from compared
left join answered on answered.named_id = compared.named_id
