-- page_places: detractors put down to each touchpoint, per segment; those of an answer's touchpoints add up
-- grain: segment_dimension, segment, touchpoint
-- reads: placed_answers, fct_attributions
with

-- one row per segment
places as (
    select
        segment_dimension,
        segment,
        count(*) as responses,
        sum(case when nps_class = 'detractor' then 1 else 0 end) as detractors
    from placed_answers
    group by segment_dimension, segment
),

-- one row per segment and touchpoint met there; as decimals, so that the order of the sum leaves no trace
put_down as (
    select
        answers.segment_dimension,
        answers.segment,
        attributions.touchpoint,
        count(*) as exposed_responses,
        sum(cast(coalesce(attributions.contribution, 0) as decimal(20, 9))) as detractors_put_down
    from placed_answers as answers
    inner join fct_attributions as attributions on attributions.response_id = answers.response_id
    group by answers.segment_dimension, answers.segment, attributions.touchpoint
)

select
    places.segment_dimension,
    places.segment,
    places.responses,
    places.detractors,
    put_down.touchpoint,
    put_down.exposed_responses,
    cast(put_down.detractors_put_down as double) as detractors_put_down
from places
left join put_down
    on put_down.segment_dimension = places.segment_dimension and put_down.segment = places.segment
order by places.segment_dimension, places.segment, put_down.touchpoint
