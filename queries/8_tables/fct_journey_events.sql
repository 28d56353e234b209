-- fct_journey_events: the event log: everything that happened on each journey up to the as-of, in order
-- grain: event_id
-- reads: stg_purchases, stg_surveys, stg_tickets, stg_ticket_events, stg_interactions, stg_activities, int_links, int_moments, event_touchpoints
-- order: journey_id, position
-- column journey_id id: the journey's purchase (order_id)
-- column event_id id: the row that tells of the event, and the activity
-- column position integer: 1 for the first event of the journey
-- column activity text: what happened: ordered, delivered, ticket_opened, call, repair, answered and so on
-- column occurred_at timestamp: when
-- column stage text: the stage of the journey that the activity belongs to
-- column is_before_answer boolean: happened strictly before the journey's moment of truth
-- column touchpoint text: the touchpoint that this event is, the narrowest one; null where it is none
-- column source text: the feed that tells of it
-- column source_key id: the row's key in that feed
-- column source_file text: the object that the row was read from
-- column source_row integer: the data row inside that object, from 1
-- column as_of timestamp: the end of the last day that the run looks at
with

-- one row per ticket and kind of event that its timeline tells of
told as (
    select distinct ticket_id, event from stg_ticket_events
),

-- one row per event of any feed; noted_as is the column of the event's row that carries its time
events as (
    select order_id as journey_id, 'purchases' as source, order_id as source_key, 'ordered' as activity,
        ordered_at as occurred_at, 'ordered_at' as noted_as, _file, _row
    from stg_purchases
    union all
    select order_id as journey_id, 'purchases', order_id as source_key, 'delivered', delivered_at, 'delivered_at', _file, _row
    from stg_purchases
    union all
    select order_id as journey_id, 'purchases', order_id as source_key, 'returned', returned_at, 'returned_at', _file, _row
    from stg_purchases
    union all
    select order_id as journey_id, 'purchases', order_id as source_key, 'refunded', refunded_at, 'refunded_at', _file, _row
    from stg_purchases
    union all
    select links.journey_id, 'surveys', answers.response_id, 'answered', answers.responded_at, 'responded_at',
        answers._file, answers._row
    from stg_surveys as answers
    inner join int_links as links on links.feed = 'surveys' and links.event_id = answers.response_id
    union all
    select links.journey_id, 'tickets', tickets.ticket_id, 'ticket_opened', tickets.opened_at, 'opened_at',
        tickets._file, tickets._row
    from stg_tickets as tickets
    inner join int_links as links on links.feed = 'tickets' and links.event_id = tickets.ticket_id
    union all
    select links.journey_id, 'tickets', tickets.ticket_id, 'ticket_replied', tickets.first_replied_at,
        'first_replied_at', tickets._file, tickets._row
    from stg_tickets as tickets
    inner join int_links as links on links.feed = 'tickets' and links.event_id = tickets.ticket_id
    where not exists (
        select 1 from told where told.ticket_id = tickets.ticket_id and told.event = 'replied'
    )
    union all
    select links.journey_id, 'tickets', tickets.ticket_id, 'ticket_solved', tickets.solved_at, 'solved_at',
        tickets._file, tickets._row
    from stg_tickets as tickets
    inner join int_links as links on links.feed = 'tickets' and links.event_id = tickets.ticket_id
    where not exists (
        select 1 from told where told.ticket_id = tickets.ticket_id and told.event = 'solved'
    )
    union all
    select links.journey_id, 'ticket_events', timeline.ticket_id, concat('ticket_', timeline.event),
        timeline.occurred_at,
        case timeline.event when 'replied' then 'first_replied_at' when 'solved' then 'solved_at' end,
        timeline._file, timeline._row
    from stg_ticket_events as timeline
    inner join int_links as links on links.feed = 'tickets' and links.event_id = timeline.ticket_id
    union all
    select links.journey_id, 'interactions', contacts.interaction_id, contacts.kind, contacts.occurred_at,
        'occurred_at', contacts._file, contacts._row
    from stg_interactions as contacts
    inner join int_links as links
        on links.feed = 'interactions' and links.event_id = contacts.interaction_id
),

journeys as (
    select journey_id, t_ref
    from int_moments
    where speaks_for_journey
),

placed as (
    select
        events.*,
        case
            when events.source = 'ticket_events'
                then concat(events.source, ' ', events.source_key, ' ', events.activity, ' ',
                    cast(events.occurred_at as varchar))
            else concat(events.source, ' ', events.source_key, ' ', events.activity)
        end as event_id,
        coalesce(activities.stage, 'care') as stage,
        coalesce(activities.stage_position, 4) as stage_position,
        events.occurred_at < journeys.t_ref as is_before_answer,
        noted.touchpoint
    from events
    inner join journeys on journeys.journey_id = events.journey_id
    left join stg_activities as activities on activities.activity = events.activity
    -- an event of a journey is judged as its journey's moment of truth saw it
    left join event_touchpoints as noted
        on noted.journey_id = events.journey_id
        and noted.feed = case when events.source = 'ticket_events' then 'tickets' else events.source end
        and noted.source_key = events.source_key
        and noted.noted_as = events.noted_as
        and noted.occurred_at = events.occurred_at
    where events.occurred_at is not null
      and events.occurred_at <= $as_of
)

select
    journey_id,
    event_id,
    row_number() over (
        partition by journey_id order by occurred_at, stage_position, event_id
    ) as position,
    activity,
    occurred_at,
    stage,
    is_before_answer,
    touchpoint,
    source,
    source_key,
    _file as source_file,
    _row as source_row,
    $as_of as as_of
from placed
