-- effects_of_segments_add_up: avoidable detractors of a dimension's segments sum to those of the whole
-- reads: rpt_effects
with

-- one row per touchpoint and kind of effect
whole as (
    select touchpoint, estimand, estimate
    from rpt_effects
    where segment_dimension = 'all'
      and measure = 'avoidable_detractors'
      and estimand in ('total', 'direct')
),

-- one row per dimension, touchpoint and kind of effect
summed as (
    select segment_dimension, touchpoint, estimand, sum(estimate) as estimate
    from rpt_effects
    where segment_dimension <> 'all'
      and measure = 'avoidable_detractors'
      and estimand in ('total', 'direct')
    group by segment_dimension, touchpoint, estimand
)

select summed.segment_dimension, summed.touchpoint, summed.estimand, summed.estimate, whole.estimate as expected
from summed
left join whole on whole.touchpoint = summed.touchpoint and whole.estimand = summed.estimand
where whole.estimate is null
   or abs(summed.estimate - whole.estimate) > 1e-6 * greatest(1, abs(whole.estimate))
