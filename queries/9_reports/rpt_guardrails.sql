-- rpt_guardrails: what has to hold before an effect may be called one, and whether it does
-- grain: touchpoint, guardrail, detail
-- reads: guardrails
-- order: touchpoint_position, guardrail, detail
-- column touchpoint text: the touchpoint, or (model) or (run)
-- column touchpoint_position integer: its place in the catalogue, from 1; 0 for the model and the run
-- column guardrail text: adjustment_set, exposed_by_class, overlap, effective_responses, order_contradicted, alias, near_alias (a column of nearly the same answers), penalty, separation (columns that tell a class for sure), doubly_robust, leave_out, calibration, placebo, nonresponse, linked_by_customer, landmark and others
-- column detail text: what of it
-- column value float: the figure
-- column warn_beyond float: beyond this it is a warning; null where it is for reading only
-- column holds boolean: it is no warning; null where it is for reading only
-- column words text: in words, where a figure says too little
-- column as_of timestamp: the end of the last day that the run looks at
select
    touchpoint,
    touchpoint_position,
    guardrail,
    detail,
    value,
    warn_beyond,
    holds,
    words,
    $as_of as as_of
from guardrails
