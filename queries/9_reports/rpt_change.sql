-- rpt_change: what moved the NPS of linked answers since the period before: who answered, what they met, what it does to them, and the rest
-- grain: period, component, touchpoint
-- reads: change_parts
-- order: period, component_position, touchpoint
-- column period text: local month (2026-10) or ISO week (2026-W43)
-- column previous_period text: the one that it is compared with
-- column component text: total, mix (other answerers), reach (met more or less often), effect (the same contacts do more or less), level (all else), not fitted (what the penalised fits miss of it)
-- column component_position integer: 1 for total, then in the order above
-- column touchpoint text: the touchpoint, or all
-- column nps_points float: NPS points that it moved; the components of `all` sum to total, which is the change that was observed
-- column low float: lower end of the 95% interval
-- column high float: upper end of it
-- column as_of timestamp: the end of the last day that the run looks at
select
    period,
    previous_period,
    component,
    component_position,
    touchpoint,
    nps_points,
    low,
    high,
    $as_of as as_of
from change_parts
