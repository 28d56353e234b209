-- fct_journeys: every purchase, how far its journey had come at its moment of truth, and its answer if it has one
-- grain: journey_id
-- reads: stg_purchases, stg_surveys, stg_activities, int_links, int_moments, met_purchases, met_tickets, met_interactions, journey_predictions
-- order: customer_id, ordered_at, journey_id
-- column journey_id text: the purchase's order_id
-- column customer_id text: who bought, as the purchases write it; null for an anonymous purchase
-- column ordered_at timestamp: when
-- column t_ref timestamp: the moment of truth: the first answer, else the end of the journey or the as-of
-- column response_id text: the first valid answer
-- column responses integer: valid answers linked to this journey
-- column score integer: the first answer's score
-- column nps_class text: detractor, passive or promoter; null without an answer
-- column delivery_state text: at t_ref: early, in_time, late, not_delivered; delivered where there is no promise; null where the export does not tell
-- column days_late integer: calendar days after the promise, 0 in time, null undelivered or without promise
-- column is_promise_passed boolean: the promise had passed at t_ref
-- column tickets integer: tickets of this journey before t_ref
-- column interactions integer: other contacts of this journey before t_ref
-- column is_returned boolean: sent back before t_ref; null where the export does not tell
-- column predicted_detractor_probability float: what the model expects of what was met by t_ref, from 0 to 1; null where there is no model
-- column stages_reached text: the stages entered before t_ref, in the journey's order
-- column amount float: the order's amount
-- column currency text: the currency of the amount
-- column sales_channel text: where it was sold
-- column store_id text: which store sold it
-- column region text: where the customer or store is
-- column product_category text: what was bought
-- column source_file text: the object that the purchase was read from
-- column source_row integer: the data row inside that object, from 1
-- column as_of timestamp: the end of the last day that the run looks at
with

-- one row per journey
moments as (
    select *
    from int_moments
    where speaks_for_journey
),

-- one row per journey with a ticket
tickets as (
    select moments.journey_id, count(*) as tickets
    from met_tickets
    inner join moments on moments.moment_id = met_tickets.moment_id
    group by moments.journey_id
),

-- one row per journey with an interaction: how many, and which stages they belong to
contacts as (
    select
        moments.journey_id,
        count(*) as interactions,
        bool_or(coalesce(activities.stage, 'care') = 'billing') as has_billing,
        bool_or(coalesce(activities.stage, 'care') = 'care') as has_care,
        bool_or(coalesce(activities.stage, 'care') = 'support') as has_support,
        bool_or(coalesce(activities.stage, 'care') = 'repair') as has_repair
    from met_interactions
    inner join moments on moments.moment_id = met_interactions.moment_id
    left join stg_activities as activities on activities.activity = met_interactions.kind
    group by moments.journey_id
)

select
    purchases.order_id as journey_id,
    buyers.customer_id,
    purchases.ordered_at,
    moments.t_ref,
    moments.response_id,
    moments.responses,
    answers.score,
    answers.nps_class,
    case
        when not $has_delivered_at or parcels.is_delivered is null then null
        when not parcels.is_delivered then 'not_delivered'
        when parcels.promise_ends_at is null then 'delivered'
        when parcels.delivered_at > parcels.promise_ends_at then 'late'
        when parcels.days_early >= 1 then 'early'
        else 'in_time'
    end as delivery_state,
    parcels.days_late,
    parcels.is_promise_passed,
    coalesce(tickets.tickets, 0) as tickets,
    coalesce(contacts.interactions, 0) as interactions,
    case when $has_returned_at then parcels.is_returned end as is_returned,
    predictions.detractor_probability as predicted_detractor_probability,
    concat_ws(
        ' > ',
        'purchase',
        case when parcels.delivered_at is not null then 'delivery' end,
        case when contacts.has_billing then 'billing' end,
        case when contacts.has_care then 'care' end,
        case when tickets.tickets > 0 or contacts.has_support then 'support' end,
        case when parcels.returned_at is not null then 'returns' end,
        case when contacts.has_repair then 'repair' end,
        case when moments.response_id is not null then 'answer' end
    ) as stages_reached,
    purchases.amount,
    purchases.currency,
    purchases.sales_channel,
    purchases.store_id,
    purchases.region,
    purchases.product_category,
    purchases._file as source_file,
    purchases._row as source_row,
    $as_of as as_of
from stg_purchases as purchases
inner join int_links as buyers on buyers.feed = 'purchases' and buyers.event_id = purchases.order_id
inner join moments on moments.journey_id = purchases.order_id
inner join met_purchases as parcels
    on parcels.moment_id = moments.moment_id and parcels.order_id = purchases.order_id
left join stg_surveys as answers on answers.response_id = moments.response_id
left join journey_predictions as predictions on predictions.journey_id = purchases.order_id
left join tickets on tickets.journey_id = purchases.order_id
left join contacts on contacts.journey_id = purchases.order_id
