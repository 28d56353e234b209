-- int_links: the journey and the customer that each purchase, answer, ticket and interaction belongs to
-- grain: feed, event_id
-- reads: stg_surveys, stg_purchases, stg_tickets, stg_interactions, int_customers
-- kept: yes
with

-- one row per row with a match value, and the name under which purchases are looked up for it: that of its
-- customer, or one that a few customers share with the value that they have in common
persons as (
    select
        feed,
        event_id,
        matched_by,
        is_value_refused,
        customers,
        case when customers = 1 then customer_id end as customer_id,
        case
            when customers = 1 then customer_id
            when customer_id is not null then concat('shared ', matched_by, ' ', value)
        end as looked_up_as
    from int_customers
    where nth = 1
),

-- one row per shared value and customer who shares it
sharers as (
    select distinct concat('shared ', matched_by, ' ', value) as looked_up_as, customer_id
    from int_customers
    where customers > 1
      and customer_id is not null
),

-- one row per purchase
bought as (
    select
        purchases.order_id,
        purchases.ordered_at,
        persons.customer_id,
        persons.looked_up_as,
        persons.matched_by,
        coalesce(persons.customers > 1 and persons.looked_up_as is not null, false) as is_ambiguous,
        coalesce(persons.is_value_refused, false) as is_value_refused
    from stg_purchases as purchases
    left join persons on persons.feed = 'purchases' and persons.event_id = purchases.order_id
),

-- one row per purchase and name under which it is looked up, numbered in time
numbered as (
    select
        looked_up_as,
        order_id,
        customer_id,
        ordered_at,
        row_number() over (partition by looked_up_as order by ordered_at, order_id) as nth
    from (
        select looked_up_as, order_id, customer_id, ordered_at
        from bought
        where looked_up_as is not null
        union all
        select sharers.looked_up_as, bought.order_id, bought.customer_id, bought.ordered_at
        from bought
        inner join sharers on sharers.customer_id = bought.customer_id
    )
),

events as (
    select 'surveys' as feed, response_id as event_id, order_id, responded_at as occurred_at
    from stg_surveys
    union all
    select 'tickets', ticket_id, order_id, opened_at
    from stg_tickets
    union all
    select 'interactions', interaction_id, order_id, occurred_at
    from stg_interactions
),

-- one row per event
named as (
    select
        events.feed,
        events.event_id,
        events.order_id,
        events.occurred_at,
        persons.customer_id,
        persons.looked_up_as,
        persons.matched_by,
        coalesce(persons.customers > 1 and persons.looked_up_as is not null, false) as is_ambiguous,
        coalesce(persons.is_value_refused, false) as is_value_refused
    from events
    left join persons on persons.feed = events.feed and persons.event_id = events.event_id
),

-- one row per event that names its order, whether the order is known or not; without purchases there are
-- no orders to name
keyed as (
    select
        named.feed,
        named.event_id,
        bought.order_id as journey_id,
        coalesce(named.customer_id, bought.customer_id) as customer_id,
        case
            when named.customer_id is not null then named.matched_by
            when bought.customer_id is not null then 'order_id'
        end as matched_by,
        false as is_ambiguous,
        named.is_value_refused,
        case when bought.order_id is not null then 'order_id' end as link_rule,
        case when bought.order_id is null then 'order not among the purchases' end as unlinked_reason,
        -- a window never cuts a keyed link, it only flags it
        coalesce(
            bought.ordered_at < named.occurred_at - $lookback, false
        ) as is_outside_lookback,
        named.occurred_at
    from named
    left join bought on bought.order_id = named.order_id
    where named.order_id is not null
      and $has_purchases
),

-- one row per purchase and per event that looks for one; an event comes before a purchase of the same instant
timeline as (
    select looked_up_as, ordered_at as at, 1 as is_purchase, null as feed, null as event_id
    from numbered
    union all
    select looked_up_as, occurred_at, 0, feed, event_id
    from named
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
    select looked_up_as
    from numbered
    where nth = 1
),

-- one row per event without an order, or where there are none
unkeyed as (
    select
        named.feed,
        named.event_id,
        latest.order_id as journey_id,
        coalesce(named.customer_id, latest.customer_id) as customer_id,
        named.matched_by,
        named.is_ambiguous,
        named.is_value_refused,
        case
            when latest.order_id is not null then 'latest_purchase'
            when not $has_purchases and named.customer_id is not null then 'customer'
        end as link_rule,
        case
            when named.looked_up_as is null and named.is_value_refused
                then 'value shared by too many customers'
            when named.looked_up_as is null then 'neither order nor customer'
            when not $has_purchases and named.is_ambiguous then 'value shared by several customers'
            when not $has_purchases or latest.order_id is not null then null
            when buyers.looked_up_as is null then 'customer not among the purchases'
            else 'no purchase inside the lookback'
        end as unlinked_reason,
        false as is_outside_lookback,
        named.occurred_at
    from named
    left join latest
        on latest.feed = named.feed
        and latest.event_id = named.event_id
        and latest.ordered_at >= named.occurred_at - $lookback
    left join buyers on buyers.looked_up_as = named.looked_up_as
    where named.order_id is null
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
