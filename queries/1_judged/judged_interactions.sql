-- judged_interactions: every interaction handed on, with the reason why it is rejected, where it is
-- grain: a row of unique_interactions
-- reads: unique_interactions
select
    *,
    (occurred_at > $as_of) is true as is_after_as_of,
    case
        when _problem is not null then _problem
        when occurred_at > $as_of then null
        when interaction_id is null then 'missing interaction_id'
        when is_conflicting then 'conflicting duplicate'
        when occurred_at_note in ('unreadable', 'implausible') then concat(occurred_at_note, ' occurred_at')
        when occurred_at is null then 'missing occurred_at'
        when kind is null then 'missing kind'
    end as reject_reason
from unique_interactions
