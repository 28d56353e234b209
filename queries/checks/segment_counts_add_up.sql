-- segment_counts_add_up: over the values of a dimension, answers and exposures add up to the whole
-- reads: rpt_nps, rpt_touchpoint_impact
with

-- each dimension that any of the reports knows
dimensions as (
    select segment_dimension from rpt_nps
    union
    select segment_dimension from rpt_touchpoint_impact
),

nps as (
    select period, segment_dimension, sum(responses) as responses, sum(detractors) as detractors
    from rpt_nps
    group by period, segment_dimension
),

impact as (
    select
        touchpoint,
        segment_dimension,
        sum(responses) as responses,
        sum(exposed_responses) as exposed
    from rpt_touchpoint_impact
    group by touchpoint, segment_dimension
)

select 'nps' as report, whole.period as key, dimensions.segment_dimension
from dimensions
inner join nps as whole on whole.segment_dimension = 'all'
left join nps as part on part.period = whole.period and part.segment_dimension = dimensions.segment_dimension
where (part.responses is distinct from whole.responses)
   or (part.detractors is distinct from whole.detractors)
union all
select 'impact', whole.touchpoint, dimensions.segment_dimension
from dimensions
inner join impact as whole on whole.segment_dimension = 'all'
left join impact as part
    on part.touchpoint = whole.touchpoint and part.segment_dimension = dimensions.segment_dimension
where (part.responses is distinct from whole.responses)
   or (part.exposed is distinct from whole.exposed)
