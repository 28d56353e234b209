-- each_purchase_is_one_journey: every valid purchase once, no other
-- reads: stg_purchases, fct_journeys
with

found as (
    select journey_id, count(*) as times
    from fct_journeys
    group by journey_id
)

select
    coalesce(purchases.order_id, found.journey_id) as journey_id,
    found.times
from stg_purchases as purchases
full join found on found.journey_id = purchases.order_id
where (found.times is distinct from 1)
   or purchases.order_id is null
