-- page_touchpoints: each touchpoint in the whole: who met it, what it costs, and how sure that is
-- grain: touchpoint
-- reads: rpt_touchpoint_impact, fct_attributions, fct_exposures
with

-- one row per touchpoint: an amount is shown in a currency, or not at all
currencies as (
    select attributions.touchpoint, max(answers.currency) as currency
    from fct_attributions as attributions
    inner join fct_exposures as answers on answers.response_id = attributions.response_id
    group by attributions.touchpoint
)

select
    impact.touchpoint,
    impact.touchpoint_position,
    impact.label,
    impact.stage,
    impact.role,
    impact.owner,
    impact.action,
    -- those of whom it is known: what reach is a share of
    impact.exposed_responses + impact.unexposed_responses + impact.other_state_responses as responses,
    impact.exposed_responses,
    impact.unknown_responses + impact.too_early_responses + impact.not_measured_responses as unknown_responses,
    impact.reach,
    impact.detractor_share_exposed,
    impact.total_nps_points,
    impact.total_nps_points_low,
    impact.total_nps_points_high,
    impact.direct_nps_points,
    impact.direct_nps_points_low,
    impact.direct_nps_points_high,
    impact.total_risk_ratio,
    impact.total_risk_ratio_low,
    impact.total_risk_ratio_high,
    impact.nps_points_if_all,
    impact.attainable_nps_points,
    impact.q_value,
    impact.e_value,
    impact.e_value_limit,
    impact.rank,
    impact.rank_low,
    impact.rank_high,
    impact.verdict,
    impact.guardrails_hold,
    impact.revenue_exposed,
    currencies.currency
from rpt_touchpoint_impact as impact
left join currencies on currencies.touchpoint = impact.touchpoint
where impact.segment_dimension = 'all'
order by impact.touchpoint_position
