-- stg_identities: which values belong to which customer, as the exports tell
-- grain: customer_id, kind, value
-- reads: judged_identities
-- kept: yes
select * exclude (reject_reason, is_after_as_of, is_conflicting, _problem)
from judged_identities
where reject_reason is null
  and not is_after_as_of
