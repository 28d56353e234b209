-- page_trend: how often each touchpoint was met, period by period
-- grain: period, touchpoint
-- reads: rpt_touchpoint_trend
select touchpoint, period, responses, exposed_responses, reach
from rpt_touchpoint_trend
where segment_dimension = 'all'
order by touchpoint_position, period
