-- rpt_dose_response: how the share of detractors grows with the dose: days late, hours waited
-- grain: touchpoint, measure, bin
-- reads: touchpoints, dose_bins
-- order: touchpoint_position, measure, bin_position
-- column touchpoint text: the touchpoint whose dose it is
-- column touchpoint_position integer: its place in the catalogue, from 1
-- column measure text: the dose, a column of fct_exposures
-- column bin text: its bin, as in that column's bins
-- column bin_position integer: the bin's place, from 1
-- column exposed_responses integer: answers in the bin
-- column detractor_share float: detractors among them
-- column adjusted_detractor_share float: detractors that one would see among all who met the touchpoint, had their dose lain in this bin
-- column low float: lower end of its 95% interval
-- column high float: upper end of it
-- column as_of timestamp: the end of the last day that the run looks at
select
    dose_bins.touchpoint,
    touchpoints.position as touchpoint_position,
    dose_bins.measure,
    dose_bins.bin,
    dose_bins.bin_position,
    dose_bins.exposed_responses,
    dose_bins.detractor_share,
    dose_bins.adjusted_detractor_share,
    dose_bins.low,
    dose_bins.high,
    $as_of as as_of
from dose_bins
inner join touchpoints on touchpoints.id = dose_bins.touchpoint
