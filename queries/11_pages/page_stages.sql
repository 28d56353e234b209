-- page_stages: journeys whose answer counts, by the stages that they went through before it
-- grain: stages_reached, nps_class
-- reads: fct_journeys, fct_exposures
select journeys.stages_reached, journeys.nps_class, count(*) as responses
from fct_journeys as journeys
inner join fct_exposures as answers on answers.response_id = journeys.response_id
where answers.is_counted and journeys.stages_reached is not null
group by journeys.stages_reached, journeys.nps_class
order by journeys.stages_reached, journeys.nps_class
