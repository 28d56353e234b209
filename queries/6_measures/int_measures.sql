-- int_measures: what each moment of truth had measurably met, and what has to be held equal when answers are compared
-- grain: moment_id
-- reads: int_moments, int_links, met_purchases, met_tickets, met_interactions
-- kept: yes
with

-- one row per purchase of a known customer
purchases as (
    select customer_id, occurred_at
    from int_links
    where feed = 'purchases'
      and customer_id is not null
),

-- one row per ticket or contact of a known customer
events as (
    select customer_id, journey_id, occurred_at
    from int_links
    where feed in ('tickets', 'interactions')
      and customer_id is not null
),

-- one row per moment and stretch of time, one lookback long, that the lookback before it touches; joining
-- by stretch keeps customers with thousands of moments and events affordable
windows as (
    select moment_id, customer_id, journey_id, scope, t_ref, date_bin($lookback, t_ref) as stretch
    from int_moments
    union all
    select moment_id, customer_id, journey_id, scope, t_ref, date_bin($lookback, t_ref - $lookback)
    from int_moments
),

-- one row per moment whose customer has bought inside the lookback
recent as (
    select windows.moment_id, count(*) as orders
    from windows
    inner join purchases
        on purchases.customer_id = windows.customer_id
        and date_bin($lookback, purchases.occurred_at) = windows.stretch
    where purchases.occurred_at < windows.t_ref
      and purchases.occurred_at >= windows.t_ref - $lookback
    group by windows.moment_id
),

-- one row per purchase, and per moment where that begins which it is about; there it comes before a purchase
-- of the same instant
timeline as (
    select customer_id, occurred_at as at, 1 as is_purchase, null as moment_id
    from purchases
    union all
    select customer_id, window_starts_at, 0, moment_id
    from int_moments
    where customer_id is not null
),

-- one row per moment of a known customer: the purchases before that which it is about
earlier as (
    select moment_id, earlier_purchases
    from (
        select
            *,
            sum(is_purchase) over (
                partition by customer_id order by at, is_purchase
                rows between unbounded preceding and current row
            ) as earlier_purchases
        from timeline
    )
    where is_purchase = 0
),

-- one row per customer who has bought
firsts as (
    select customer_id, min(occurred_at) as first_ordered_at
    from purchases
    group by customer_id
),

-- one row per moment about an order whose customer had met something on other orders
elsewhere as (
    select windows.moment_id, count(*) as other_events
    from windows
    inner join events
        on events.customer_id = windows.customer_id
        and date_bin($lookback, events.occurred_at) = windows.stretch
    where windows.scope = 'order'
      and events.occurred_at < windows.t_ref
      and events.occurred_at >= windows.t_ref - $lookback
      and (events.journey_id is distinct from windows.journey_id)
    group by windows.moment_id
),

-- one row per moment that is about a purchase
parcels as (
    select
        moment_id,
        max(days_late) as days_late,
        bool_or(case when $has_delivered_at then not is_delivered and is_promise_passed end)
            as is_promise_passed,
        max(delivery_days) as delivery_days,
        bool_or(is_delivered) as is_delivered,
        min(days_since_purchase) as days_since_purchase,
        min(days_since_delivery) as days_since_delivery,
        min(days_since_promise) as days_since_promise
    from met_purchases
    group by moment_id
),

-- one row per moment that had met a ticket
tickets as (
    select
        moment_id,
        count(*) as tickets,
        max(first_reply_hours) as first_reply_hours,
        max(requester_wait_hours) as requester_wait_hours,
        max(full_resolution_hours) as full_resolution_hours
    from met_tickets
    group by moment_id
),

-- one row per moment that had met an interaction
contacts as (
    select moment_id, count(*) as interactions
    from met_interactions
    group by moment_id
),

-- one row per moment
measured as (
    select
        moments.moment_id,
        cast(parcels.days_late as double) as days_late,
        parcels.is_promise_passed,
        parcels.is_delivered,
        parcels.delivery_days,
        parcels.days_since_purchase,
        parcels.days_since_delivery,
        -- since the parcel came, or should have come, or was ordered: had an undelivered parcel's time been
        -- counted from the purchase, nobody with a delivered one would have been like its buyer
        coalesce(parcels.days_since_delivery, parcels.days_since_promise, parcels.days_since_purchase)
            as days_to_answer,
        tickets.first_reply_hours,
        tickets.requester_wait_hours,
        tickets.full_resolution_hours,
        coalesce(tickets.tickets, 0) as tickets,
        coalesce(contacts.interactions, 0) as interactions,
        coalesce(recent.orders, 0) as orders,
        coalesce(earlier.earlier_purchases, 0) as earlier_purchases,
        -- an answer about the customer looks back at most to the first purchase
        case
            when moments.scope = 'customer'
                then days_between(
                    greatest(
                        moments.window_starts_at,
                        case when firsts.first_ordered_at < moments.t_ref then firsts.first_ordered_at end
                    ),
                    moments.t_ref
                )
        end as observable_days,
        coalesce(elsewhere.other_events, 0) as other_events,
        local_period(moments.t_ref, $zone, 'month') as month
    from int_moments as moments
    left join recent on recent.moment_id = moments.moment_id
    left join earlier on earlier.moment_id = moments.moment_id
    left join firsts on firsts.customer_id = moments.customer_id
    left join elsewhere on elsewhere.moment_id = moments.moment_id
    left join parcels on parcels.moment_id = moments.moment_id
    left join tickets on tickets.moment_id = moments.moment_id
    left join contacts on contacts.moment_id = moments.moment_id
)

select
    moment_id,
    days_late as x_days_late,
    case
        when days_late <= 0 then '0'
        when days_late = 1 then '1'
        when days_late <= 3 then '2-3'
        when days_late <= 7 then '4-7'
        when days_late > 7 then '8 or more'
    end as x_days_late_bin,
    is_promise_passed as x_promise_passed,
    delivery_days as x_delivery_days,
    days_since_purchase as x_days_since_purchase,
    case
        when days_since_purchase < 7 then 'under 7'
        when days_since_purchase < 14 then '7-13'
        when days_since_purchase < 30 then '14-29'
        when days_since_purchase < 60 then '30-59'
        when days_since_purchase >= 60 then '60 or more'
    end as x_days_since_purchase_bin,
    days_since_delivery as x_days_since_delivery,
    case
        when not $has_delivered_at then null
        when not is_delivered then 'not delivered'
        when days_since_delivery < 3 then 'under 3'
        when days_since_delivery < 7 then '3-6'
        when days_since_delivery < 14 then '7-13'
        when days_since_delivery < 30 then '14-29'
        when days_since_delivery >= 30 then '30 or more'
    end as x_days_since_delivery_bin,
    days_to_answer as x_days_to_answer,
    case
        when days_to_answer < 2 then 'under 2'
        when days_to_answer < 4 then '2-3'
        when days_to_answer < 7 then '4-6'
        when days_to_answer < 14 then '7-13'
        when days_to_answer < 21 then '14-20'
        when days_to_answer < 30 then '21-29'
        when days_to_answer < 60 then '30-59'
        when days_to_answer >= 60 then '60 or more'
    end as x_days_to_answer_bin,
    first_reply_hours as x_first_reply_hours,
    case
        when first_reply_hours < 4 then 'under 4'
        when first_reply_hours <= 24 then '4-24'
        when first_reply_hours <= 48 then '24-48'
        when first_reply_hours <= 96 then '48-96'
        when first_reply_hours > 96 then 'over 96'
    end as x_first_reply_hours_bin,
    requester_wait_hours as x_requester_wait_hours,
    full_resolution_hours as x_full_resolution_hours,
    case
        when full_resolution_hours <= 24 then 'up to 24'
        when full_resolution_hours <= 72 then '24-72'
        when full_resolution_hours <= 168 then '72-168'
        when full_resolution_hours > 168 then 'over 168'
    end as x_full_resolution_hours_bin,
    tickets as x_tickets,
    interactions as x_interactions,
    orders as x_orders,
    case
        when orders <= 1 then '0 or 1'
        when orders = 2 then '2'
        when orders > 2 then '3 or more'
    end as x_orders_bin,
    earlier_purchases as x_earlier_purchases,
    case
        when earlier_purchases = 0 then '0'
        when earlier_purchases = 1 then '1'
        when earlier_purchases <= 3 then '2-3'
        when earlier_purchases > 3 then '4 or more'
    end as x_earlier_purchases_bin,
    observable_days as x_observable_days,
    case
        when observable_days < 14 then 'under 14'
        when observable_days < 30 then '14-29'
        when observable_days < 60 then '30-59'
        when observable_days >= 60 then '60 or more'
    end as x_observable_days_bin,
    other_events as x_other_events,
    case
        when other_events = 0 then '0'
        when other_events = 1 then '1'
        when other_events > 1 then '2 or more'
    end as x_other_events_bin,
    month as x_month
from measured
