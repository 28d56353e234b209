-- rpt_touchpoint_trend: how often each touchpoint was met, period by period
-- grain: period, segment_dimension, segment, touchpoint
-- reads: touchpoints, touchpoint_counts
-- order: segment_dimension, segment, touchpoint_position, period
-- column period text: local month (2026-10) or ISO week (2026-W43) of the answer
-- column segment_dimension text: the dimension, or all
-- column segment text: its value; (unknown) where there is none, (other) beyond the levels shown
-- column touchpoint text: its id in the catalogue
-- column touchpoint_position integer: its place in the catalogue, from 1
-- column responses integer: linked answers that count
-- column exposed_responses integer: of them, those that had met it
-- column reach float: exposed ÷ (exposed + unexposed + in another state); unknown answers left out
-- column detractor_share float: detractors among the exposed
-- column as_of timestamp: the end of the last day that the run looks at
select
    counts.period,
    counts.segment_dimension,
    counts.segment,
    counts.touchpoint,
    touchpoints.position as touchpoint_position,
    counts.responses,
    counts.exposed as exposed_responses,
    counts.exposed / cast(nullif(counts.exposed + counts.unexposed + counts.other_state, 0) as double) as reach,
    counts.exposed_detractors / cast(nullif(counts.exposed, 0) as double) as detractor_share,
    $as_of as as_of
from touchpoint_counts as counts
inner join touchpoints on touchpoints.id = counts.touchpoint
