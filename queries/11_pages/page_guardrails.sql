-- page_guardrails: what was checked before an effect may be called one, and what came of it
-- grain: touchpoint, guardrail, detail
-- reads: rpt_guardrails
select touchpoint, touchpoint_position, guardrail, detail, value, warn_beyond, holds, words
from rpt_guardrails
order by touchpoint_position, touchpoint, guardrail, detail
