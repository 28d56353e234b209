-- rpt_touchpoint_impact: each touchpoint of the catalogue: who met it, and how they answered
-- grain: period, segment_dimension, segment, touchpoint
-- reads: touchpoints, touchpoint_counts
-- order: segment_dimension, segment, touchpoint_position
-- column period text: window: one figure for the answers inside `analysis.window_days`
-- column segment_dimension text: the dimension, or all
-- column segment text: its value; (unknown) where there is none, (other) beyond the levels shown
-- column touchpoint text: its id in the catalogue
-- column touchpoint_position integer: its place in the catalogue, from 1
-- column label text: its name in words
-- column stage text: the stage of the journey that it belongs to
-- column role text: lever, symptom or context
-- column responses integer: linked answers that count
-- column exposed_responses integer: of them, those that had met it
-- column unexposed_responses integer: of them, those that surely had not, and are compared with
-- column other_state_responses integer: of them, those in another state of the same factor: a parcel that was not there is not late, and no ground to compare late ones with
-- column unknown_responses integer: of them, those for which the export does not tell
-- column too_early_responses integer: of them, those given before its clock could have run
-- column not_measured_responses integer: of them, those from before the feed begins, or all where there is none
-- column reach float: exposed ÷ (exposed + unexposed + in another state)
-- column detractor_share_exposed float: detractors among the exposed
-- column detractor_share_unexposed float: detractors among the unexposed
-- column nps_exposed float: NPS of the exposed, in points
-- column nps_unexposed float: NPS of the unexposed, in points
-- column raw_risk_difference float: detractor share of the exposed minus that of the unexposed: an association, not an effect
-- column raw_risk_ratio float: the one divided by the other; null where no unexposed is a detractor
-- column owner text: who can act on it
-- column action text: what to do
-- column as_of timestamp: the end of the last day that the run looks at
with

-- one row per segment and touchpoint
counts as (
    select
        segment_dimension,
        segment,
        touchpoint,
        sum(responses) as responses,
        sum(exposed) as exposed,
        sum(unexposed) as unexposed,
        sum(other_state) as other_state,
        sum(unknown) as unknown,
        sum(too_early) as too_early,
        sum(not_measured) as not_measured,
        sum(exposed_promoters) as exposed_promoters,
        sum(exposed_detractors) as exposed_detractors,
        sum(unexposed_promoters) as unexposed_promoters,
        sum(unexposed_detractors) as unexposed_detractors
    from touchpoint_counts
    group by segment_dimension, segment, touchpoint
),

shares as (
    select
        *,
        -- a share of nobody is no number
        cast(nullif(exposed, 0) as double) as exposed_or_null,
        cast(nullif(unexposed, 0) as double) as unexposed_or_null,
        exposed_detractors / cast(nullif(exposed, 0) as double) as detractor_share_exposed,
        unexposed_detractors / cast(nullif(unexposed, 0) as double) as detractor_share_unexposed
    from counts
)

select
    'window' as period,
    shares.segment_dimension,
    shares.segment,
    shares.touchpoint,
    touchpoints.position as touchpoint_position,
    touchpoints.label,
    touchpoints.stage,
    touchpoints.role,
    shares.responses,
    shares.exposed as exposed_responses,
    shares.unexposed as unexposed_responses,
    shares.other_state as other_state_responses,
    shares.unknown as unknown_responses,
    shares.too_early as too_early_responses,
    shares.not_measured as not_measured_responses,
    shares.exposed / cast(nullif(shares.exposed + shares.unexposed + shares.other_state, 0) as double) as reach,
    shares.detractor_share_exposed,
    shares.detractor_share_unexposed,
    100 * (shares.exposed_promoters - shares.exposed_detractors) / shares.exposed_or_null as nps_exposed,
    100 * (shares.unexposed_promoters - shares.unexposed_detractors) / shares.unexposed_or_null
        as nps_unexposed,
    shares.detractor_share_exposed - shares.detractor_share_unexposed as raw_risk_difference,
    shares.detractor_share_exposed / nullif(shares.detractor_share_unexposed, 0) as raw_risk_ratio,
    touchpoints.owner,
    touchpoints.action,
    $as_of as as_of
from shares
inner join touchpoints on touchpoints.id = shares.touchpoint
