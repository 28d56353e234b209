-- met_purchases: the purchases that each moment of truth is about, as they stood at it
-- grain: moment_id, order_id
-- reads: int_moments, int_links, stg_purchases, stg_interactions
-- kept: yes
with

-- one row per answer about its customer and stretch of time, one lookback long, that its window touches;
-- joining by stretch keeps customers with thousands of answers and events affordable
windows as (
    select moment_id, customer_id, t_ref, window_starts_at, date_bin($lookback, t_ref) as stretch
    from int_moments
    where scope = 'customer'
    union all
    select moment_id, customer_id, t_ref, window_starts_at, date_bin($lookback, window_starts_at)
    from int_moments
    where scope = 'customer'
),

-- one row per moment and purchase that it is about
about as (
    select moment_id, t_ref, journey_id as order_id
    from int_moments
    where scope = 'order'
    union all
    select windows.moment_id, windows.t_ref, links.event_id
    from windows
    inner join int_links as links
        on links.feed = 'purchases'
        and links.customer_id = windows.customer_id
        and date_bin($lookback, links.occurred_at) = windows.stretch
    where links.occurred_at < windows.t_ref
      and links.occurred_at >= windows.window_starts_at
),

-- one row per delivered order that heard from the company afterwards (bills are no word)
words as (
    select
        purchases.order_id,
        min(case when contacts.initiated_by = 'company' then contacts.occurred_at end) as first_word_at,
        -- of whom the export does not tell
        min(case when contacts.initiated_by is null then contacts.occurred_at end) as first_unsigned_at
    from stg_interactions as contacts
    inner join int_links as links on links.feed = 'interactions' and links.event_id = contacts.interaction_id
    inner join stg_purchases as purchases on purchases.order_id = links.journey_id
    where (contacts.initiated_by is distinct from 'customer')
      and contacts.kind not in ('invoice', 'billing_error')
      and contacts.occurred_at > purchases.delivered_at
    group by purchases.order_id
),

-- whatever happened at the moment or later has not happened yet
masked as (
    select
        about.moment_id,
        about.t_ref,
        purchases.* exclude (delivered_at, returned_at, refunded_at, damaged),
        -- a time that is there and cannot be read says neither yes nor no
        case
            when coalesce(purchases.delivered_at_note, '') not in ('unreadable', 'implausible')
                then coalesce(purchases.delivered_at < about.t_ref, false)
        end as is_delivered,
        case
            when coalesce(purchases.returned_at_note, '') not in ('unreadable', 'implausible')
                then coalesce(purchases.returned_at < about.t_ref, false)
        end as is_returned,
        coalesce(purchases.refunded_at_note in ('unreadable', 'implausible'), false) as is_refund_unknown,
        case when purchases.delivered_at < about.t_ref then purchases.delivered_at end as delivered_at,
        case when purchases.returned_at < about.t_ref then purchases.returned_at end as returned_at,
        case when purchases.refunded_at < about.t_ref then purchases.refunded_at end as refunded_at,
        -- damage is seen when the parcel is there
        case when purchases.delivered_at < about.t_ref then purchases.damaged end as damaged,
        case when words.first_word_at < about.t_ref then words.first_word_at end as first_word_at,
        case when words.first_unsigned_at < about.t_ref then words.first_unsigned_at end as first_unsigned_at,
        purchases.promise_ends_at < about.t_ref as is_promise_passed
    from about
    inner join stg_purchases as purchases on purchases.order_id = about.order_id
    left join words on words.order_id = about.order_id
)

select
    *,
    -- calendar days where the promise is a day, begun days where it is a moment
    case
        when delivered_at <= promise_ends_at then 0
        when is_promise_a_date
            then cast(local_date(delivered_at, $zone) as integer) - cast(local_date(promised_at, $zone) as integer)
        else cast(ceil(days_between(promise_ends_at, delivered_at)) as bigint)
    end as days_late,
    cast(local_date(promised_at, $zone) as integer) - cast(local_date(delivered_at, $zone) as integer) as days_early,
    days_between(ordered_at, delivered_at) as delivery_days,
    days_between(ordered_at, t_ref) as days_since_purchase,
    days_between(delivered_at, t_ref) as days_since_delivery,
    -- 0 where the promised time has not come yet
    case when promise_ends_at is not null then days_between(least(promise_ends_at, t_ref), t_ref) end
        as days_since_promise,
    days_between(delivered_at, first_word_at) as days_to_first_word,
    days_between(delivered_at, first_unsigned_at) as days_to_first_unsigned_word,
    -- up to the refund, or to the moment where there was none
    case when not is_refund_unknown then days_between(returned_at, coalesce(refunded_at, t_ref)) end
        as refund_days
from masked
