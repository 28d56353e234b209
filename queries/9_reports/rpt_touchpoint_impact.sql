-- rpt_touchpoint_impact: each touchpoint of the catalogue: who met it, and how they answered
-- grain: period, segment_dimension, segment, touchpoint
-- reads: touchpoints, touchpoint_counts, exposed_amounts, effects, verdicts, segment_rule
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
-- column total_risk_difference float: total effect, what it sets off included: how much likelier the exposed are detractors for it, from -1 to 1
-- column total_risk_difference_low float: lower end of its 95% interval
-- column total_risk_difference_high float: upper end of it
-- column total_risk_ratio float: total effect, what it sets off included: detractor risk of the exposed, with it over without it
-- column total_risk_ratio_low float: lower end of its 95% interval
-- column total_risk_ratio_high float: upper end of it
-- column total_avoidable_detractors float: total effect, what it sets off included: detractors among these answers that would not be, had nobody met it
-- column total_avoidable_detractors_low float: lower end of its 95% interval
-- column total_avoidable_detractors_high float: upper end of it
-- column total_avoidable_detractor_share float: total effect, what it sets off included: of all detractors
-- column total_avoidable_detractor_share_low float: lower end of its 95% interval
-- column total_avoidable_detractor_share_high float: upper end of it
-- column total_nps_points float: total effect, what it sets off included: NPS points of the whole that would be gained, had nobody met it; negative where it helps
-- column total_nps_points_low float: lower end of its 95% interval
-- column total_nps_points_high float: upper end of it
-- column total_promoters_gained float: total effect, what it sets off included: promoters among these answers that would be gained, had nobody met it
-- column total_promoters_gained_low float: lower end of its 95% interval
-- column total_promoters_gained_high float: upper end of it
-- column direct_risk_difference float: direct effect, at the later contacts that happened: how much likelier the exposed are detractors for it, from -1 to 1
-- column direct_risk_difference_low float: lower end of its 95% interval
-- column direct_risk_difference_high float: upper end of it
-- column direct_risk_ratio float: direct effect, at the later contacts that happened: detractor risk of the exposed, with it over without it
-- column direct_risk_ratio_low float: lower end of its 95% interval
-- column direct_risk_ratio_high float: upper end of it
-- column direct_avoidable_detractors float: direct effect, at the later contacts that happened: detractors among these answers that would not be, had nobody met it
-- column direct_avoidable_detractors_low float: lower end of its 95% interval
-- column direct_avoidable_detractors_high float: upper end of it
-- column direct_avoidable_detractor_share float: direct effect, at the later contacts that happened: of all detractors
-- column direct_avoidable_detractor_share_low float: lower end of its 95% interval
-- column direct_avoidable_detractor_share_high float: upper end of it
-- column direct_nps_points float: direct effect, at the later contacts that happened: NPS points of the whole that would be gained, had nobody met it; negative where it helps
-- column direct_nps_points_low float: lower end of its 95% interval
-- column direct_nps_points_high float: upper end of it
-- column direct_promoters_gained float: direct effect, at the later contacts that happened: promoters among these answers that would be gained, had nobody met it
-- column direct_promoters_gained_low float: lower end of its 95% interval
-- column direct_promoters_gained_high float: upper end of it
-- column nps_points_if_all float: NPS points that would be gained, had everybody met it, over answers that could have; for what helps
-- column attainable_nps_points float: of what costs points: total NPS points times the share of its reach above that of the best quarter of segments (values of the first entry of `segments` with enough answers): what the best already reach
-- column p_value float: of the total effect in NPS points
-- column q_value float: the same after Benjamini and Hochberg, over all touchpoints; false discoveries among those below it
-- column direct_q_value float: q-value of the direct effect, among the direct effects of all touchpoints
-- column e_value float: how strongly something unmeasured would have to go with both the touchpoint and detractors to explain the total effect away, as a risk ratio
-- column e_value_limit float: the same for the end of the interval nearest to no effect
-- column rank integer: by total NPS points, the costliest first, of the levers
-- column rank_low integer: best rank that the data allow, with 95% confidence over all ranks
-- column rank_high integer: worst such rank
-- column verdict text: drives detractors, protects, cuts both ways (NPS points and detractors surely move in opposite ways), not worth acting on, not enough evidence, or not measured; where nothing tells it from others, met by the same answers as which; where nobody is in the state that it is compared with, nobody to compare with; where it is the absence of another, the other side of which
-- column guardrails_hold boolean: nothing that was checked (rpt_guardrails) speaks against calling it an effect
-- column reading text: effect where guardrails hold, else association, adjusted: how figures and verdict are to be read
-- column shared_variance_share float: its part of R² (LMG; Lindeman, Merenda and Gold), out of all variance of the NPS contribution, with its own parts; unsigned, also for what only goes along
-- column revenue_exposed float: amounts of the exposed answers' orders; null where currencies differ
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
),

reaches as (
    select
        *,
        exposed / cast(nullif(exposed + unexposed + other_state, 0) as double) as reach
    from shares
),

-- one row per touchpoint: the reach that the best quarter of segments, those with enough answers, stay under
ordered_reaches as (
    select
        reaches.touchpoint,
        reaches.reach,
        row_number() over (partition by reaches.touchpoint order by reaches.reach, reaches.segment) as place,
        count(*) over (partition by reaches.touchpoint) as segments
    from reaches
    inner join segment_rule on segment_rule.segment_dimension = reaches.segment_dimension
    where reaches.responses >= segment_rule.min_responses
      and reaches.segment not in ('(unknown)', '(other)')
      and reaches.reach is not null
),

best_quarter as (
    select touchpoint, max(reach) as reach
    from ordered_reaches
    where place <= ceil(segments / 4.0)
    group by touchpoint
),

-- one row per segment and touchpoint that the fit looked at
estimates as (
    select
        segment_dimension,
        segment,
        touchpoint,
        max(case when estimand = 'total' and measure = 'risk_difference' then estimate end) as total_risk_difference,
        max(case when estimand = 'total' and measure = 'risk_difference' then low end) as total_risk_difference_low,
        max(case when estimand = 'total' and measure = 'risk_difference' then high end) as total_risk_difference_high,
        max(case when estimand = 'total' and measure = 'risk_ratio' then estimate end) as total_risk_ratio,
        max(case when estimand = 'total' and measure = 'risk_ratio' then low end) as total_risk_ratio_low,
        max(case when estimand = 'total' and measure = 'risk_ratio' then high end) as total_risk_ratio_high,
        max(case when estimand = 'total' and measure = 'avoidable_detractors' then estimate end) as total_avoidable_detractors,
        max(case when estimand = 'total' and measure = 'avoidable_detractors' then low end) as total_avoidable_detractors_low,
        max(case when estimand = 'total' and measure = 'avoidable_detractors' then high end) as total_avoidable_detractors_high,
        max(case when estimand = 'total' and measure = 'avoidable_detractor_share' then estimate end) as total_avoidable_detractor_share,
        max(case when estimand = 'total' and measure = 'avoidable_detractor_share' then low end) as total_avoidable_detractor_share_low,
        max(case when estimand = 'total' and measure = 'avoidable_detractor_share' then high end) as total_avoidable_detractor_share_high,
        max(case when estimand = 'total' and measure = 'nps_points' then estimate end) as total_nps_points,
        max(case when estimand = 'total' and measure = 'nps_points' then low end) as total_nps_points_low,
        max(case when estimand = 'total' and measure = 'nps_points' then high end) as total_nps_points_high,
        max(case when estimand = 'total' and measure = 'promoters_gained' then estimate end) as total_promoters_gained,
        max(case when estimand = 'total' and measure = 'promoters_gained' then low end) as total_promoters_gained_low,
        max(case when estimand = 'total' and measure = 'promoters_gained' then high end) as total_promoters_gained_high,
        max(case when estimand = 'direct' and measure = 'risk_difference' then estimate end) as direct_risk_difference,
        max(case when estimand = 'direct' and measure = 'risk_difference' then low end) as direct_risk_difference_low,
        max(case when estimand = 'direct' and measure = 'risk_difference' then high end) as direct_risk_difference_high,
        max(case when estimand = 'direct' and measure = 'risk_ratio' then estimate end) as direct_risk_ratio,
        max(case when estimand = 'direct' and measure = 'risk_ratio' then low end) as direct_risk_ratio_low,
        max(case when estimand = 'direct' and measure = 'risk_ratio' then high end) as direct_risk_ratio_high,
        max(case when estimand = 'direct' and measure = 'avoidable_detractors' then estimate end) as direct_avoidable_detractors,
        max(case when estimand = 'direct' and measure = 'avoidable_detractors' then low end) as direct_avoidable_detractors_low,
        max(case when estimand = 'direct' and measure = 'avoidable_detractors' then high end) as direct_avoidable_detractors_high,
        max(case when estimand = 'direct' and measure = 'avoidable_detractor_share' then estimate end) as direct_avoidable_detractor_share,
        max(case when estimand = 'direct' and measure = 'avoidable_detractor_share' then low end) as direct_avoidable_detractor_share_low,
        max(case when estimand = 'direct' and measure = 'avoidable_detractor_share' then high end) as direct_avoidable_detractor_share_high,
        max(case when estimand = 'direct' and measure = 'nps_points' then estimate end) as direct_nps_points,
        max(case when estimand = 'direct' and measure = 'nps_points' then low end) as direct_nps_points_low,
        max(case when estimand = 'direct' and measure = 'nps_points' then high end) as direct_nps_points_high,
        max(case when estimand = 'direct' and measure = 'promoters_gained' then estimate end) as direct_promoters_gained,
        max(case when estimand = 'direct' and measure = 'promoters_gained' then low end) as direct_promoters_gained_low,
        max(case when estimand = 'direct' and measure = 'promoters_gained' then high end) as direct_promoters_gained_high,
        max(case when estimand = 'total' and measure = 'nps_points_if_all' then estimate end) as nps_points_if_all
    from effects
    group by segment_dimension, segment, touchpoint
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
    shares.reach,
    shares.detractor_share_exposed,
    shares.detractor_share_unexposed,
    100 * (shares.exposed_promoters - shares.exposed_detractors) / shares.exposed_or_null as nps_exposed,
    100 * (shares.unexposed_promoters - shares.unexposed_detractors) / shares.unexposed_or_null
        as nps_unexposed,
    shares.detractor_share_exposed - shares.detractor_share_unexposed as raw_risk_difference,
    shares.detractor_share_exposed / nullif(shares.detractor_share_unexposed, 0) as raw_risk_ratio,
    estimates.total_risk_difference,
    estimates.total_risk_difference_low,
    estimates.total_risk_difference_high,
    estimates.total_risk_ratio,
    estimates.total_risk_ratio_low,
    estimates.total_risk_ratio_high,
    estimates.total_avoidable_detractors,
    estimates.total_avoidable_detractors_low,
    estimates.total_avoidable_detractors_high,
    estimates.total_avoidable_detractor_share,
    estimates.total_avoidable_detractor_share_low,
    estimates.total_avoidable_detractor_share_high,
    estimates.total_nps_points,
    estimates.total_nps_points_low,
    estimates.total_nps_points_high,
    estimates.total_promoters_gained,
    estimates.total_promoters_gained_low,
    estimates.total_promoters_gained_high,
    estimates.direct_risk_difference,
    estimates.direct_risk_difference_low,
    estimates.direct_risk_difference_high,
    estimates.direct_risk_ratio,
    estimates.direct_risk_ratio_low,
    estimates.direct_risk_ratio_high,
    estimates.direct_avoidable_detractors,
    estimates.direct_avoidable_detractors_low,
    estimates.direct_avoidable_detractors_high,
    estimates.direct_avoidable_detractor_share,
    estimates.direct_avoidable_detractor_share_low,
    estimates.direct_avoidable_detractor_share_high,
    estimates.direct_nps_points,
    estimates.direct_nps_points_low,
    estimates.direct_nps_points_high,
    estimates.direct_promoters_gained,
    estimates.direct_promoters_gained_low,
    estimates.direct_promoters_gained_high,
    estimates.nps_points_if_all,
    -- nothing is to be gained where the best are no better
    case
        when estimates.total_nps_points > 0 and shares.reach > 0
            then estimates.total_nps_points * greatest(0, 1 - best_quarter.reach / shares.reach)
    end as attainable_nps_points,
    verdicts.p_value,
    verdicts.q_value,
    verdicts.direct_q_value,
    verdicts.e_value,
    verdicts.e_value_limit,
    verdicts.rank,
    verdicts.rank_low,
    verdicts.rank_high,
    verdicts.verdict,
    verdicts.guardrails_hold,
    case verdicts.guardrails_hold when true then 'effect' when false then 'association, adjusted' end as reading,
    verdicts.shared_variance_share,
    case when amounts.least_currency = amounts.greatest_currency then amounts.hundredths / 100.0 end
        as revenue_exposed,
    touchpoints.owner,
    touchpoints.action,
    $as_of as as_of
from reaches as shares
inner join touchpoints on touchpoints.id = shares.touchpoint
left join best_quarter on best_quarter.touchpoint = shares.touchpoint
left join estimates
    on estimates.segment_dimension = shares.segment_dimension
    and estimates.segment = shares.segment
    and estimates.touchpoint = shares.touchpoint
left join verdicts
    on verdicts.segment_dimension = shares.segment_dimension
    and verdicts.segment = shares.segment
    and verdicts.touchpoint = shares.touchpoint
left join exposed_amounts as amounts
    on amounts.segment_dimension = shares.segment_dimension
    and amounts.segment = shares.segment
    and amounts.touchpoint = shares.touchpoint
