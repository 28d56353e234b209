-- stg_tickets: every ticket up to the as-of, in its latest state
-- grain: ticket_id
-- reads: judged_tickets
-- kept: yes
select * exclude (reject_reason, is_after_as_of, is_conflicting, _problem)
from judged_tickets
where reject_reason is null
  and not is_after_as_of
