-- rpt_sensitivity: what the total effects would be if detractors answered more or less readily than promoters, which no export can tell
-- grain: touchpoint, ratio
-- reads: touchpoints, sensitivity
-- order: touchpoint_position, ratio
-- column touchpoint text: its id in the catalogue
-- column touchpoint_position integer: its place in the catalogue, from 1
-- column ratio float: so many times as readily as promoters, passives as the geometric middle; 1 is as published
-- column nps_points float: total effect in NPS points
-- column low float: lower end of its 95% interval
-- column high float: upper end of it
-- column verdict text: what would be said of it
-- column as_of timestamp: the end of the last day that the run looks at
select
    sensitivity.touchpoint,
    touchpoints.position as touchpoint_position,
    sensitivity.ratio,
    sensitivity.nps_points,
    sensitivity.low,
    sensitivity.high,
    sensitivity.verdict,
    $as_of as as_of
from sensitivity
inner join touchpoints on touchpoints.id = sensitivity.touchpoint
