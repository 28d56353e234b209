-- rpt_effects: every estimate of every touchpoint's effect with its interval, long
-- grain: period, segment_dimension, segment, touchpoint, estimand, measure
-- reads: touchpoints, effects
-- order: segment_dimension, segment, touchpoint_position, estimand, measure
-- column period text: window: one fit for the answers inside `analysis.window_days`
-- column segment_dimension text: the dimension, or all
-- column segment text: its value
-- column touchpoint text: its id in the catalogue
-- column touchpoint_position integer: its place in the catalogue, from 1
-- column estimand text: raw (nothing held equal), direct (later contacts stay), total (later contacts follow), total_own (a segment's own effect, pooled towards the whole), total_weighted (answers weighted by how seldom journeys like theirs are answered), total_same_answers (exactly the answers that have such a weight, unweighted; none where those are all), total_by_order (answers that say which order they are about; none where those are all)
-- column measure text: risk_difference, risk_ratio, avoidable_detractors, avoidable_detractor_share, nps_points, promoters_gained, nps_points_if_all
-- column estimate float: the estimate: risks from 0 to 1, NPS in points; positive where the touchpoint costs
-- column std_error float: its standard error, clustered as `analysis.cluster` says (of raw ratios: answers taken as independent; other raw measures have none); of a ratio, that of its logarithm
-- column low float: lower end of the 95% interval for the process behind these answers
-- column high float: upper end of that interval
-- column low_these float: lower end of the 95% interval for exactly these answers
-- column high_these float: upper end of that interval
-- column n integer: answers that had met the touchpoint
-- column as_of timestamp: the end of the last day that the run looks at
select
    'window' as period,
    effects.segment_dimension,
    effects.segment,
    effects.touchpoint,
    touchpoints.position as touchpoint_position,
    effects.estimand,
    effects.measure,
    effects.estimate,
    effects.std_error,
    effects.low,
    effects.high,
    effects.low_these,
    effects.high_these,
    effects.n,
    $as_of as as_of
from effects
inner join touchpoints on touchpoints.id = effects.touchpoint
