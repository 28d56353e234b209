-- stg_interactions: every other contact up to the as-of: calls, visits, repairs, bills, offers
-- grain: interaction_id
-- reads: judged_interactions
-- kept: yes
with

valid as (
    select * exclude (reject_reason, is_after_as_of, is_conflicting, _problem)
    from judged_interactions
    where reject_reason is null
      and not is_after_as_of
),

-- one row: does the export state due days (all midnights) or moments?
deadlines as (
    select coalesce(bool_and(due_at_is_midnight), false) as are_dates
    from valid
)

select
    valid.*,
    -- the last instant that keeps the deadline: a due day lasts until that local day is over
    case
        when deadlines.are_dates then end_of_day(valid.due_at, $zone) - interval '1 microsecond'
        else valid.due_at
    end as due_ends_at
from valid
cross join deadlines
