-- rejected_rows: every row that was handed on and not used, and why
-- grain: a row of an export
-- reads: judged_surveys, judged_purchases, judged_tickets, judged_ticket_events, judged_interactions, judged_follow_up_outcomes, judged_identities
-- order: source, table, file, row, key, reason
-- column source text: the feed that the row was mapped to
-- column table text: the source's table that the row stands in
-- column file text: the object that the row stands in; null where a query did not hand on `_file`
-- column row integer: the data row inside the file, from 1, the header not counted; null like file
-- column key id: the row's key, where it has one
-- column reason text: what is wrong with the row
-- column as_of timestamp: the end of the last day that the run looks at
with

rejected as (
    select 'surveys' as source, response_id as key, _table, _file, _row, reject_reason
    from judged_surveys
    where reject_reason is not null
    union all
    select 'purchases' as source, order_id as key, _table, _file, _row, reject_reason
    from judged_purchases
    where reject_reason is not null
    union all
    select 'tickets' as source, ticket_id as key, _table, _file, _row, reject_reason
    from judged_tickets
    where reject_reason is not null
    union all
    select 'ticket_events' as source, concat_ws(' ', ticket_id, cast(occurred_at as varchar), event) as key, _table, _file, _row, reject_reason
    from judged_ticket_events
    where reject_reason is not null
    union all
    select 'interactions' as source, interaction_id as key, _table, _file, _row, reject_reason
    from judged_interactions
    where reject_reason is not null
    union all
    select 'follow_up_outcomes' as source, coalesce(response_id, follow_up_id) as key, _table, _file, _row, reject_reason
    from judged_follow_up_outcomes
    where reject_reason is not null
    union all
    select 'identities' as source, concat_ws(' ', customer_id, kind, value) as key, _table, _file, _row, reject_reason
    from judged_identities
    where reject_reason is not null
)

select
    source,
    _table as "table",
    _file as file,
    _row as row,
    key,
    reject_reason as reason,
    $as_of as as_of
from rejected
