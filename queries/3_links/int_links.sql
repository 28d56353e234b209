-- int_links: the journey and the customer that each purchase, answer, ticket and interaction belongs to
-- grain: feed, event_id
-- reads: int_customers
-- kept: yes
with

-- one row per purchase, answer, ticket or contact, and the name under which purchases are looked up for it:
-- that of its customer, or one that a few customers share with the value that they have in common
named as (
    select
        feed,
        event_id,
        order_id,
        occurred_at,
        matched_by,
        is_value_refused,
        customers > 1 and customer_id is not null as is_ambiguous,
        case when customers = 1 then customer_id end as customer_id,
        case
            when customers = 1 then customer_id
            when customer_id is not null then shared_as
        end as looked_up_as
    from int_customers
    where nth = 1
),

-- one row per shared value and customer who shares it
sharers as (
    select distinct shared_as as looked_up_as, customer_id
    from int_customers
    where customers > 1
      and customer_id is not null
),

bought as (
    select event_id as order_id, occurred_at as ordered_at, customer_id, looked_up_as, matched_by,
        is_ambiguous, is_value_refused
    from named
    where feed = 'purchases'
),

events as (
    select *
    from named
    where feed <> 'purchases'
),

-- one row per purchase and name under which it is looked up
lookups as (
    select looked_up_as, order_id, customer_id, ordered_at
    from bought
    where looked_up_as is not null
    union all
    select sharers.looked_up_as, bought.order_id, bought.customer_id, bought.ordered_at
    from bought
    inner join sharers on sharers.customer_id = bought.customer_id
),

-- the same, numbered in time
numbered as (
    select *, row_number() over (partition by looked_up_as order by ordered_at, order_id) as nth
    from lookups
),

-- one row per event that names its order, whether the order is known or not; without purchases there are
-- no orders to name
keyed as (
    select
        events.feed,
        events.event_id,
        bought.order_id as journey_id,
        coalesce(events.customer_id, bought.customer_id) as customer_id,
        case
            when events.customer_id is not null then events.matched_by
            when bought.customer_id is not null then 'order_id'
        end as matched_by,
        false as is_ambiguous,
        events.is_value_refused,
        case when bought.order_id is not null then 'order_id' end as link_rule,
        case when bought.order_id is null then 'order not among the purchases' end as unlinked_reason,
        -- a window never cuts a keyed link, it only flags it
        coalesce(
            bought.ordered_at < events.occurred_at - $lookback, false
        ) as is_outside_lookback,
        events.occurred_at
    from events
    left join bought on bought.order_id = events.order_id
    where events.order_id is not null
      and $has_purchases
),

-- one row per purchase and per event that looks for one; an event comes before a purchase of the same instant
timeline as (
    select looked_up_as, ordered_at as at, 1 as is_purchase, null as feed, null as event_id
    from lookups
    union all
    select looked_up_as, occurred_at, 0, feed, event_id
    from events
    where order_id is null
      and looked_up_as is not null
      and $has_purchases
),

-- one row per event that looks for a purchase: how many came before it; counting, rather than joining each
-- event to each purchase, keeps customers with thousands of both affordable
counted as (
    select feed, event_id, looked_up_as, earlier
    from (
        select
            *,
            sum(is_purchase) over (
                partition by looked_up_as order by at, is_purchase
                rows between unbounded preceding and current row
            ) as earlier
        from timeline
    )
    where is_purchase = 0
),

-- one row per event that looks for a purchase and has one before it: the latest
latest as (
    select counted.feed, counted.event_id, numbered.order_id, numbered.customer_id, numbered.ordered_at
    from counted
    inner join numbered
        on numbered.looked_up_as = counted.looked_up_as
        and cast(numbered.nth as bigint) = counted.earlier
),

buyers as (
    select distinct looked_up_as
    from lookups
),

-- one row per event without an order, or where there are none
unkeyed as (
    select
        events.feed,
        events.event_id,
        latest.order_id as journey_id,
        coalesce(events.customer_id, latest.customer_id) as customer_id,
        events.matched_by,
        events.is_ambiguous,
        events.is_value_refused,
        case
            when latest.order_id is not null then 'latest_purchase'
            when not $has_purchases and events.customer_id is not null then 'customer'
        end as link_rule,
        case
            when events.looked_up_as is null and events.is_value_refused
                then 'value shared by too many customers'
            when events.looked_up_as is null then 'neither order nor customer'
            when not $has_purchases and events.is_ambiguous then 'value shared by several customers'
            when not $has_purchases or latest.order_id is not null then null
            when buyers.looked_up_as is null then 'customer not among the purchases'
            else 'no purchase inside the lookback'
        end as unlinked_reason,
        false as is_outside_lookback,
        events.occurred_at
    from events
    left join latest
        on latest.feed = events.feed
        and latest.event_id = events.event_id
        and latest.ordered_at >= events.occurred_at - $lookback
    left join buyers on buyers.looked_up_as = events.looked_up_as
    where events.order_id is null
       or not $has_purchases
),

-- one row per purchase: its own journey, whoever made it
purchases as (
    select
        'purchases' as feed,
        order_id as event_id,
        order_id as journey_id,
        customer_id,
        case when customer_id is not null then matched_by end as matched_by,
        is_ambiguous,
        is_value_refused,
        'purchase' as link_rule,
        cast(null as varchar) as unlinked_reason,
        false as is_outside_lookback,
        ordered_at as occurred_at
    from bought
)

select * from keyed
union all
select * from unkeyed
union all
select * from purchases
