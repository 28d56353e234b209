-- each_journey_event_stands_once: an event has one id and one position, and positions follow time
-- reads: fct_journey_events
with

doubled as (
    select event_id as key
    from fct_journey_events
    group by event_id
    having count(*) > 1
),

ordered as (
    select
        event_id,
        position,
        occurred_at,
        lag(occurred_at) over (partition by journey_id order by position) as occurred_before,
        row_number() over (partition by journey_id order by position) as expected_position
    from fct_journey_events
)

select 'event stands twice' as problem, key from doubled
union all
select 'position out of order', event_id
from ordered
where occurred_at < occurred_before
   or position <> expected_position
