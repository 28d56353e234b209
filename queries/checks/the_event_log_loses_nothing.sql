-- the_event_log_loses_nothing: each purchase, and each answer, ticket and contact of a journey, stands in the event log
-- reads: stg_purchases, int_links, fct_journey_events
with

expected as (
    select 'purchases' as source, order_id as source_key, order_id as journey_id
    from stg_purchases
    union all
    select feed, event_id, journey_id
    from int_links
    where journey_id is not null
),

found as (
    select source, source_key, journey_id, count(*) as events
    from fct_journey_events
    where activity in ('ordered', 'ticket_opened', 'answered')
       or source = 'interactions'
    group by source, source_key, journey_id
)

select
    coalesce(expected.source, found.source) as source,
    coalesce(expected.source_key, found.source_key) as source_key,
    coalesce(expected.journey_id, found.journey_id) as journey_id
from expected
full join found
    on found.source = expected.source
    and found.source_key = expected.source_key
    and found.journey_id = expected.journey_id
where (found.events is distinct from 1)
   or expected.source_key is null
