-- rpt_data_quality: the accounting: what came in, what became of it, and what is not known
-- grain: section, source, table, measure
-- reads: source_tables, filtered_rows, erased_rows, deliveries, value_notes, typed_surveys, typed_purchases, typed_tickets, typed_ticket_events, typed_interactions, typed_follow_up_outcomes, typed_identities, judged_surveys, judged_purchases, judged_tickets, judged_ticket_events, judged_interactions, judged_follow_up_outcomes, judged_identities, stg_surveys, stg_purchases, stg_tickets, stg_ticket_events, stg_interactions, stg_follow_up_outcomes, stg_identities, rejected_rows, int_link_funnel, int_answers, fct_journeys, fct_journey_events, touchpoint_counts
-- order: section, source, table, measure
-- steps: feeds, unknowns
-- column section text: objects, versions, rows, filtered, erased, rejected, late, values, links, answers, leakage, touchpoints, coverage
-- column source text: the feed; for touchpoints the touchpoint's id
-- column table text: the source's table, where it is about one; for links the feed that is linked to
-- column measure text: what is counted
-- column rows integer: how many
-- column share float: of the rows of its source that it is a part of; null where it is no part
-- column at timestamp: for coverage: the first and the last event up to the as-of
-- column as_of timestamp: the end of the last day that the run looks at
with

-- one row per row handed on, less the copies of identical rows
judged as (
    select 'surveys' as source, reject_reason, is_after_as_of from judged_surveys
    union all
    select 'purchases', reject_reason, is_after_as_of from judged_purchases
    union all
    select 'tickets', reject_reason, is_after_as_of from judged_tickets
    union all
    select 'ticket_events', reject_reason, is_after_as_of from judged_ticket_events
    union all
    select 'interactions', reject_reason, is_after_as_of from judged_interactions
    union all
    select 'follow_up_outcomes', reject_reason, is_after_as_of from judged_follow_up_outcomes
    union all
    select 'identities', reject_reason, is_after_as_of from judged_identities
),

fates as (
    select
        source,
        count(*) as judged,
        count(reject_reason) as rejected,
        count(case when reject_reason is null and is_after_as_of then 1 end) as after_as_of
    from judged
    group by source
),

handed as (
    select 'surveys' as source, count(*) as handed_on from typed_surveys
    union all
    select 'purchases', count(*) from typed_purchases
    union all
    select 'tickets', count(*) from typed_tickets
    union all
    select 'ticket_events', count(*) from typed_ticket_events
    union all
    select 'interactions', count(*) from typed_interactions
    union all
    select 'follow_up_outcomes', count(*) from typed_follow_up_outcomes
    union all
    select 'identities', count(*) from typed_identities
),

staged as (
    select 'surveys' as source, count(*) as staged, min(responded_at) as first_at, max(responded_at) as last_at
    from stg_surveys
    union all
    select 'purchases', count(*), min(ordered_at), max(ordered_at) from stg_purchases
    union all
    select 'tickets', count(*), min(opened_at), max(opened_at) from stg_tickets
    union all
    select 'ticket_events', count(*), min(occurred_at), max(occurred_at) from stg_ticket_events
    union all
    select 'interactions', count(*), min(occurred_at), max(occurred_at) from stg_interactions
    union all
    select 'follow_up_outcomes', count(*), min(contacted_at), max(contacted_at) from stg_follow_up_outcomes
    union all
    select 'identities', count(*), null, null from stg_identities
),

-- one row per feed that the run reads
feeds as (
    select
        handed.source,
        handed.handed_on,
        handed.handed_on - coalesce(fates.judged, 0) as superseded,
        coalesce(fates.rejected, 0) as rejected,
        coalesce(fates.after_as_of, 0) as after_as_of,
        staged.staged,
        staged.first_at,
        staged.last_at
    from handed
    inner join staged on staged.source = handed.source
    left join fates on fates.source = handed.source
    where exists (select 1 from source_tables where source_tables.source = handed.source)
),

-- events and the files that they came in
arrived as (
    select 'surveys' as source, responded_at as at, _file as file from stg_surveys
    union all
    select 'purchases', ordered_at, _file from stg_purchases
    union all
    select 'tickets', opened_at, _file from stg_tickets
    union all
    select 'ticket_events', occurred_at, _file from stg_ticket_events
    union all
    select 'interactions', occurred_at, _file from stg_interactions
    union all
    select 'follow_up_outcomes', contacted_at, _file from stg_follow_up_outcomes
),

-- one row per way in which an outcome names an answer, or does not
answered as (
    select
        case when response_id is null then 'answer not among the surveys' else 'answer' end as measure,
        count(*) as rows
    from stg_follow_up_outcomes
    group by 1
),

-- rows whose file says on which day it was delivered: later than on the day of the event or the next one
late as (
    select
        arrived.source,
        count(case when deliveries.day > local_date(arrived.at, $zone) + interval '1 day' then 1 end) as rows
    from arrived
    inner join deliveries on deliveries.source = arrived.source and deliveries.file = arrived.file
    group by arrived.source
),

answers as (
    select
        case
            when left_out_reason is not null then left_out_reason
            when not in_fit then 'counted, not linked'
            else 'counted and linked'
        end as measure,
        count(*) as rows
    from int_answers
    group by 1
),

-- one row per answer and event of what it is about; those at or after the answer are known now, not used
about as (
    select events.source, events.occurred_at, answers.responded_at
    from int_answers as answers
    inner join fct_journey_events as events on events.journey_id = answers.journey_id
    where answers.scope = 'order'
      and events.source <> 'surveys'
    union all
    select events.source, events.occurred_at, answers.responded_at
    from int_answers as answers
    inner join fct_journeys as journeys on journeys.customer_id = answers.customer_id
    inner join fct_journey_events as events on events.journey_id = journeys.journey_id
    where answers.scope = 'customer'
      and events.source <> 'surveys'
      and events.occurred_at >= answers.window_starts_at
),

leaks as (
    select source, count(*) as rows, count(case when occurred_at >= responded_at then 1 end) as later
    from about
    group by source
),

unknowns as (
    select
        touchpoint,
        sum(responses) as responses,
        sum(unknown) as unknown,
        sum(too_early) as too_early,
        sum(not_measured) as not_measured
    from touchpoint_counts
    where segment_dimension = 'all'
    group by touchpoint
),

lines as (
    select 'objects' as section, source, table_name, 'read' as measure, objects as rows,
        cast(null as double) as share, cast(null as timestamp) as at
    from source_tables
    union all
    select 'objects', source, table_name, 'skipped', skipped, null, null from source_tables
    union all
    select 'versions', source, table_name, concat('compared as ', compared_as), rows_read, null, null
    from source_tables
    where compared_as is not null
    union all
    select 'rows', source, table_name, 'read', rows_read, null, null from source_tables
    union all
    select 'rows', source, table_name, 'superseded', superseded,
        superseded / cast(nullif(rows_read, 0) as double), null
    from source_tables
    union all
    select 'rows', source, table_name, 'filtered', rows_read - superseded - handed_on,
        (rows_read - superseded - handed_on) / cast(nullif(rows_read, 0) as double), null
    from source_tables
    union all
    select 'rows', source, table_name, 'handed on', handed_on,
        handed_on / cast(nullif(rows_read, 0) as double), null
    from source_tables
    union all
    select 'filtered', filtered_rows.source, filtered_rows.table_name, filtered_rows.reason, filtered_rows.rows,
        filtered_rows.rows / cast(nullif(source_tables.rows_read, 0) as double), null
    from filtered_rows
    inner join source_tables
        on source_tables.source = filtered_rows.source
        and source_tables.table_name = filtered_rows.table_name
    union all
    select 'erased', erased_rows.source, null, 'on the erasure list', erased_rows.rows,
        erased_rows.rows / cast(nullif(erased_rows.rows + feeds.handed_on, 0) as double), null
    from erased_rows
    inner join feeds on feeds.source = erased_rows.source
    union all
    select 'late', late.source, null, 'delivered nights after the event', late.rows,
        late.rows / cast(nullif(feeds.staged, 0) as double), null
    from late
    inner join feeds on feeds.source = late.source
    union all
    select 'rows', source, null, 'handed on', handed_on, null, null from feeds
    union all
    select 'rows', source, null, 'superseded', superseded, superseded / cast(nullif(handed_on, 0) as double),
        null from feeds
    union all
    select 'rows', source, null, 'rejected', rejected, rejected / cast(nullif(handed_on, 0) as double), null
    from feeds
    union all
    select 'rows', source, null, 'after the as-of', after_as_of,
        after_as_of / cast(nullif(handed_on, 0) as double), null
    from feeds
    union all
    select 'rows', source, null, 'staged', staged, staged / cast(nullif(handed_on, 0) as double), null
    from feeds
    union all
    select 'rejected', rejected_rows.source, rejected_rows."table", reason, count(*),
        count(*) / cast(nullif(max(feeds.handed_on), 0) as double), null
    from rejected_rows
    inner join feeds on feeds.source = rejected_rows.source
    group by rejected_rows.source, rejected_rows."table", reason
    union all
    select 'values', value_notes.source, null, concat(column_name, ' ', note), rows,
        rows / cast(nullif(feeds.handed_on, 0) as double), null
    from value_notes
    inner join feeds on feeds.source = value_notes.source
    union all
    select 'links', feed, linked_to, measure, rows, rows / cast(nullif(of_rows, 0) as double), null
    from int_link_funnel
    union all
    select 'links', 'follow_up_outcomes', 'surveys', measure, rows,
        rows / cast((select nullif(count(*), 0) from stg_follow_up_outcomes) as double), null
    from answered
    union all
    select 'answers', 'surveys', null, measure, rows,
        rows / cast((select nullif(count(*), 0) from int_answers) as double), null
    from answers
    union all
    select 'leakage', source, null, 'events at or after the answer', later,
        later / cast(nullif(rows, 0) as double), null
    from leaks
    union all
    select 'touchpoints', touchpoint, null, 'unknown', unknown,
        unknown / cast(nullif(responses, 0) as double), null
    from unknowns
    union all
    select 'touchpoints', touchpoint, null, 'too early', too_early,
        too_early / cast(nullif(responses, 0) as double), null
    from unknowns
    union all
    select 'touchpoints', touchpoint, null, 'not measured', not_measured,
        not_measured / cast(nullif(responses, 0) as double), null
    from unknowns
    union all
    select 'coverage', source, null, 'first event', staged, null, first_at from feeds
    where source <> 'identities'
    union all
    select 'coverage', source, null, 'last event', staged, null, last_at from feeds
    where source <> 'identities'
    union all
    select 'coverage', source, null, 'hours from the last event to the as-of',
        cast(hours_between(last_at, $as_of) as bigint), null, last_at
    from feeds
    where source <> 'identities'
)

select
    section,
    source,
    table_name as "table",
    measure,
    rows,
    share,
    at,
    $as_of as as_of
from lines
