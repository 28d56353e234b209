-- stg_ticket_events: what happened to each ticket, as far as the help desk exports its timeline
-- grain: ticket_id, occurred_at, event
-- reads: judged_ticket_events
-- kept: yes
select * exclude (reject_reason, is_after_as_of, is_conflicting, _problem)
from judged_ticket_events
where reject_reason is null
  and not is_after_as_of
