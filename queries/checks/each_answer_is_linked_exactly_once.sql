-- each_answer_is_linked_exactly_once: joins to purchases and customers neither lose nor repeat a row
-- reads: stg_surveys, stg_purchases, stg_tickets, stg_interactions, int_links
with

expected as (
    select 'surveys' as feed, response_id as event_id from stg_surveys
    union all
    select 'purchases', order_id from stg_purchases
    union all
    select 'tickets', ticket_id from stg_tickets
    union all
    select 'interactions', interaction_id from stg_interactions
),

found as (
    select feed, event_id, count(*) as times
    from int_links
    group by feed, event_id
)

select
    coalesce(expected.feed, found.feed) as feed,
    coalesce(expected.event_id, found.event_id) as event_id,
    found.times
from expected
full join found on found.feed = expected.feed and found.event_id = expected.event_id
where (found.times is distinct from 1)
   or expected.event_id is null
