-- int_links: the journey and the customer that each answer, ticket and interaction belongs to
-- grain: feed, event_id
-- reads: stg_surveys, stg_purchases, stg_tickets, stg_interactions
-- kept: yes
with

events as (
    select 'surveys' as feed, response_id as event_id, order_id, customer_id, responded_at as occurred_at
    from stg_surveys
    union all
    select 'tickets', ticket_id, order_id, customer_id, opened_at
    from stg_tickets
    union all
    select 'interactions', interaction_id, order_id, customer_id, occurred_at
    from stg_interactions
),

-- one row per event that names its order, whether the order is known or not; without purchases there are
-- no orders to name
keyed as (
    select
        events.feed,
        events.event_id,
        purchases.order_id as journey_id,
        coalesce(events.customer_id, purchases.customer_id) as customer_id,
        case when purchases.order_id is not null then 'order_id' end as link_rule,
        case when purchases.order_id is null then 'order not among the purchases' end as unlinked_reason,
        -- a window never cuts a keyed link, it only flags it
        coalesce(
            purchases.ordered_at < events.occurred_at - $lookback, false
        ) as is_outside_lookback
    from events
    left join stg_purchases as purchases on purchases.order_id = events.order_id
    where events.order_id is not null
      and $has_purchases
),

-- one row per event without an order and purchase of its customer before it, the latest first
candidates as (
    select
        events.feed,
        events.event_id,
        purchases.order_id as journey_id,
        row_number() over (
            partition by events.feed, events.event_id
            order by purchases.ordered_at desc, purchases.order_id desc
        ) as recency
    from events
    inner join stg_purchases as purchases on purchases.customer_id = events.customer_id
    where events.order_id is null
      and purchases.ordered_at < events.occurred_at
      and purchases.ordered_at >= events.occurred_at - $lookback
),

latest as (
    select feed, event_id, journey_id
    from candidates
    where recency = 1
),

-- one row per event without an order, or where there are none
unkeyed as (
    select
        events.feed,
        events.event_id,
        latest.journey_id,
        events.customer_id,
        case
            when latest.journey_id is not null then 'latest_purchase'
            when not $has_purchases and events.customer_id is not null then 'customer'
        end as link_rule,
        case
            when events.customer_id is null then 'neither order nor customer'
            when latest.journey_id is null and $has_purchases then 'no purchase inside the lookback'
        end as unlinked_reason,
        false as is_outside_lookback
    from events
    left join latest on latest.feed = events.feed and latest.event_id = events.event_id
    where events.order_id is null
       or not $has_purchases
)

select * from keyed
union all
select * from unkeyed
