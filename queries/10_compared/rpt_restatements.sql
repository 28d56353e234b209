-- rpt_restatements: figures of the run published before that are no longer what they were, and why
-- grain: period, segment_dimension, segment, measure, touchpoint
-- reads: rpt_nps, rpt_touchpoint_trend, previous_nps, previous_touchpoint_trend, since_previous, changed_touchpoints
-- order: segment_dimension, segment, period, measure, touchpoint
-- column period text: local month (2026-10) or ISO week (2026-W43) that lies in the window as a whole
-- column segment_dimension text: the dimension, or all
-- column segment text: its value; (unknown) where there is none, (other) beyond the levels shown
-- column measure text: nps (points), reach or detractor_share (of a touchpoint)
-- column touchpoint text: its id in the catalogue; null for nps
-- column value_was float: as it was published; null where there was no figure
-- column value_is float: as it is now; null where there is none any more
-- column responses_was integer: answers behind the figure then
-- column responses_is integer: and now
-- column was_over boolean: the period had ended when the figure was published
-- column reason text: program changed, settings changed, definition changed, the period was not over, late rows (more answers, or new exports only), inputs changed (an export was replaced or removed), rows withdrawn; the first that holds
-- column previous_as_of timestamp: the end of the last day that the run published before looked at
-- column as_of timestamp: the end of the last day that this run looks at
with

figures_were as (
    select period, segment_dimension, segment, 'nps' as measure, '' as touchpoint, responses, nps as figure
    from previous_nps
    union all
    select period, segment_dimension, segment, 'reach', touchpoint, responses, reach
    from previous_touchpoint_trend
    union all
    select period, segment_dimension, segment, 'detractor_share', touchpoint, responses, detractor_share
    from previous_touchpoint_trend
),

figures_are as (
    select period, segment_dimension, segment, 'nps' as measure, '' as touchpoint, responses, nps as figure
    from rpt_nps
    union all
    select period, segment_dimension, segment, 'reach', touchpoint, responses, reach
    from rpt_touchpoint_trend
    union all
    select period, segment_dimension, segment, 'detractor_share', touchpoint, responses, detractor_share
    from rpt_touchpoint_trend
),

-- one row per figure that was published and is another now; what the window has cut since is no restatement
moved as (
    select
        were.period,
        were.segment_dimension,
        were.segment,
        were.measure,
        were.touchpoint,
        were.figure as value_was,
        are.figure as value_is,
        were.responses as responses_was,
        coalesce(are.responses, 0) as responses_is
    from figures_were as were
    left join figures_are as are
        on are.period = were.period
        and are.segment_dimension = were.segment_dimension
        and are.segment = were.segment
        and are.measure = were.measure
        and are.touchpoint = were.touchpoint
    where were.period <> 'window'
        and were.period > local_period($as_of - $window, $zone, $period)
        and (were.figure is distinct from are.figure)
)

select
    moved.period,
    moved.segment_dimension,
    moved.segment,
    moved.measure,
    nullif(moved.touchpoint, '') as touchpoint,
    moved.value_was,
    moved.value_is,
    moved.responses_was,
    moved.responses_is,
    moved.period < local_period(since.previous_as_of, $zone, $period) as was_over,
    case
        when since.is_program_changed then 'program changed'
        when since.is_settings_changed then 'settings changed'
        when changed_touchpoints.touchpoint is not null then 'definition changed'
        when moved.period >= local_period(since.previous_as_of, $zone, $period) then 'the period was not over'
        when moved.responses_is > moved.responses_was then 'late rows'
        when since.is_input_replaced then 'inputs changed'
        when moved.responses_is < moved.responses_was then 'rows withdrawn'
        else 'late rows'
    end as reason,
    since.previous_as_of,
    $as_of as as_of
from moved
cross join since_previous as since
left join changed_touchpoints on changed_touchpoints.touchpoint = moved.touchpoint
