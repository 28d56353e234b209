-- judged_ticket_events: every ticket event handed on, with the reason why it is rejected, where it is
-- grain: a row of unique_ticket_events
-- reads: unique_ticket_events
select
    *,
    (occurred_at > $as_of) is true as is_after_as_of,
    case
        when _problem is not null then _problem
        when occurred_at > $as_of then null
        when ticket_id is null then 'missing ticket_id'
        when is_conflicting then 'conflicting duplicate'
        when occurred_at_note in ('unreadable', 'implausible') then concat(occurred_at_note, ' occurred_at')
        when occurred_at is null then 'missing occurred_at'
        when event is null then 'missing event'
    end as reject_reason
from unique_ticket_events
