-- segment_counts_add_up: over the values of a dimension, answers and exposures add up to the whole
-- reads: rpt_nps, rpt_touchpoint_impact
with

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

select 'nps' as report, part.period as key, part.segment_dimension
from nps as part
inner join nps as whole on whole.period = part.period and whole.segment_dimension = 'all'
where part.responses <> whole.responses
   or part.detractors <> whole.detractors
union all
select 'impact', part.touchpoint, part.segment_dimension
from impact as part
inner join impact as whole on whole.touchpoint = part.touchpoint and whole.segment_dimension = 'all'
where part.responses <> whole.responses
   or part.exposed <> whole.exposed
