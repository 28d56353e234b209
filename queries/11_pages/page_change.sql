-- page_change: what moved NPS, period by period
-- grain: period, component, touchpoint
-- reads: rpt_change
select period, previous_period, component, component_position, touchpoint, nps_points, low, high
from rpt_change
order by period, component_position, touchpoint
