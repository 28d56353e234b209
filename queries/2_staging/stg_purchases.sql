-- stg_purchases: every purchase up to the as-of, and when its promise ends
-- grain: order_id
-- reads: judged_purchases
-- kept: yes
with

valid as (
    select * exclude (reject_reason, is_after_as_of, is_conflicting, _problem)
    from judged_purchases
    where reject_reason is null
      and not is_after_as_of
),

-- one row: does the export promise days (all midnights) or moments?
promises as (
    select coalesce(bool_and(promised_at_is_midnight), false) as are_dates
    from valid
)

select
    valid.*,
    promises.are_dates as is_promise_a_date,
    -- the last instant that keeps the promise: a promised day lasts until that local day is over
    case
        when promises.are_dates then end_of_day(valid.promised_at, $zone) - interval '1 microsecond'
        else valid.promised_at
    end as promise_ends_at
from valid
cross join promises
