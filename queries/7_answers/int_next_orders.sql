-- int_next_orders: whether the customer's next order came late or damaged, which an answer before it cannot have felt
-- grain: response_id
-- reads: int_links, stg_purchases
with

-- one row per purchase of a known customer, counted
purchases as (
    select
        customer_id,
        event_id as order_id,
        occurred_at as ordered_at,
        row_number() over (partition by customer_id order by occurred_at, event_id) as nth
    from int_links
    where feed = 'purchases'
      and customer_id is not null
),

-- one row per purchase, and per answer; a purchase of the same instant comes first
timeline as (
    select customer_id, ordered_at as at, 0 as is_answer, null as response_id
    from purchases
    union all
    select customer_id, occurred_at, 1, event_id
    from int_links
    where feed = 'surveys'
      and customer_id is not null
),

-- one row per answer: the purchases up to it
counted as (
    select response_id, customer_id, earlier
    from (
        select
            *,
            sum(1 - is_answer) over (
                partition by customer_id order by at, is_answer
                rows between unbounded preceding and current row
            ) as earlier
        from timeline
    )
    where is_answer = 1
)

select
    counted.response_id,
    -- null where it has not come yet, or nothing was promised
    case
        when orders.delivered_at <= $as_of
            then (coalesce(orders.damaged, false) or orders.delivered_at > orders.promise_ends_at)
    end as is_next_bad
from counted
inner join purchases
    on purchases.customer_id = counted.customer_id
    and cast(purchases.nth as bigint) = counted.earlier + 1
inner join stg_purchases as orders on orders.order_id = purchases.order_id
