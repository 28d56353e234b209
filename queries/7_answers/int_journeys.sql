-- int_journeys: every purchase at its moment of truth, with the measures that a prediction needs
-- grain: journey_id
-- reads: int_moments, int_measures, stg_purchases, stg_surveys
with

-- one row per journey
moments as (
    select *
    from int_moments
    where speaks_for_journey
)

select
    moments.moment_id,
    moments.journey_id,
    moments.window_starts_at,
    moments.t_ref,
    $as_of as looked_at_until,
    moments.response_id,
    coalesce(moments.customer_id, concat('order ', moments.journey_id)) as "cluster",
    coalesce(
        purchases.store_id || ' ' || local_period(purchases.ordered_at, $zone, 'week'),
        coalesce(moments.customer_id, concat('order ', moments.journey_id))
    ) as store_week,
    local_period(purchases.ordered_at, $zone, 'month') as purchase_month,
    answers.survey_kind,
    answers.trigger,
    answers.mode,
    purchases.* exclude (order_id, customer_id, _file, _row),
    measures.* exclude (moment_id)
from moments
inner join stg_purchases as purchases on purchases.order_id = moments.journey_id
left join stg_surveys as answers on answers.response_id = moments.response_id
left join int_measures as measures on measures.moment_id = moments.moment_id
