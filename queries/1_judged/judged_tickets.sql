-- judged_tickets: every ticket handed on, with the reason why it is rejected, where it is
-- grain: a row of unique_tickets
-- reads: unique_tickets
select
    *,
    (opened_at > $as_of) is true as is_after_as_of,
    case
        when _problem is not null then _problem
        when opened_at > $as_of then null
        when ticket_id is null then 'missing ticket_id'
        when is_conflicting then 'conflicting duplicate'
        when opened_at_note in ('unreadable', 'implausible') then concat(opened_at_note, ' opened_at')
        when opened_at is null then 'missing opened_at'
    end as reject_reason
from unique_tickets
