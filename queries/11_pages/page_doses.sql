-- page_doses: how the share of detractors grows with the dose of a touchpoint
-- grain: touchpoint, measure, bin
-- reads: rpt_dose_response
select touchpoint, measure, bin, exposed_responses, adjusted_detractor_share, low, high
from rpt_dose_response
order by touchpoint_position, measure, bin_position
