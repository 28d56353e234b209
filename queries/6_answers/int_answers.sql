-- int_answers: every valid answer: how it is linked, whether it counts, and what it had measurably met
-- grain: response_id
-- reads: stg_surveys, stg_purchases, int_links, int_moments, met_purchases, met_tickets, met_interactions, pooled_kinds, pooled_triggers
-- kept: yes
with

-- one row per moment
parcels as (
    select
        moment_id,
        max(days_late) as days_late,
        bool_or(case when $has_delivered_at then not is_delivered and is_promise_passed end)
            as is_promise_passed,
        max(delivery_days) as delivery_days,
        bool_or(is_delivered) as is_delivered,
        min(days_since_purchase) as days_since_purchase,
        min(days_since_delivery) as days_since_delivery
    from met_purchases
    group by moment_id
),

-- one row per moment that had met a ticket
tickets as (
    select
        moment_id,
        count(*) as tickets,
        max(first_reply_hours) as first_reply_hours,
        max(requester_wait_hours) as requester_wait_hours,
        max(full_resolution_hours) as full_resolution_hours
    from met_tickets
    group by moment_id
),

-- one row per moment that had met an interaction
contacts as (
    select moment_id, count(*) as interactions
    from met_interactions
    group by moment_id
),

-- one row per answer
judged as (
    select
        answers.*,
        links.journey_id,
        links.customer_id as linked_customer_id,
        links.link_rule,
        links.unlinked_reason,
        links.is_outside_lookback,
        coalesce(
            links.customer_id,
            'order ' || coalesce(links.journey_id, answers.order_id),
            'answer ' || answers.response_id
        ) as cluster,
        answers.responded_at > $as_of - $window as is_in_window,
        ($all_kinds or pooled_kinds.name is not null)
            and ($all_triggers or pooled_triggers.name is not null) as is_pooled
    from stg_surveys as answers
    inner join int_links as links on links.feed = 'surveys' and links.event_id = answers.response_id
    left join pooled_kinds on pooled_kinds.name = answers.survey_kind
    left join pooled_triggers on pooled_triggers.name = answers.trigger
),

-- one row per answer; the latest of a customer's answers of one period comes first
ranked as (
    select
        *,
        row_number() over (
            partition by cluster, period, is_pooled
            order by responded_at desc, response_id desc
        ) as recency
    from judged
),

counted as (
    select
        *,
        case
            when not is_in_window then 'before the window'
            when not is_pooled then 'another kind of survey'
            when $latest_per_period and recency > 1 then 'a later answer in the same period'
        end as left_out_reason
    from ranked
)

select
    counted.* exclude (customer_id, linked_customer_id, recency, is_pooled),
    counted.linked_customer_id as customer_id,
    counted.left_out_reason is null as is_counted,
    counted.left_out_reason is null and counted.link_rule is not null as in_fit,

    moments.moment_id,
    moments.scope,
    moments.window_starts_at,

    purchases.amount,
    purchases.currency,

    cast(parcels.days_late as double) as x_days_late,
    case
        when parcels.days_late <= 0 then '0'
        when parcels.days_late = 1 then '1'
        when parcels.days_late <= 3 then '2-3'
        when parcels.days_late <= 7 then '4-7'
        when parcels.days_late > 7 then '8 or more'
    end as x_days_late_bin,
    parcels.is_promise_passed as x_promise_passed,
    parcels.delivery_days as x_delivery_days,
    parcels.days_since_purchase as x_days_since_purchase,
    case
        when parcels.days_since_purchase < 7 then 'under 7'
        when parcels.days_since_purchase < 14 then '7-13'
        when parcels.days_since_purchase < 30 then '14-29'
        when parcels.days_since_purchase < 60 then '30-59'
        when parcels.days_since_purchase >= 60 then '60 or more'
    end as x_days_since_purchase_bin,
    parcels.days_since_delivery as x_days_since_delivery,
    case
        when moments.moment_id is null or not $has_delivered_at then null
        when not parcels.is_delivered then 'not delivered'
        when parcels.days_since_delivery < 3 then 'under 3'
        when parcels.days_since_delivery < 7 then '3-6'
        when parcels.days_since_delivery < 14 then '7-13'
        when parcels.days_since_delivery < 30 then '14-29'
        when parcels.days_since_delivery >= 30 then '30 or more'
    end as x_days_since_delivery_bin,
    tickets.first_reply_hours as x_first_reply_hours,
    case
        when tickets.first_reply_hours < 4 then 'under 4'
        when tickets.first_reply_hours <= 24 then '4-24'
        when tickets.first_reply_hours <= 48 then '24-48'
        when tickets.first_reply_hours <= 96 then '48-96'
        when tickets.first_reply_hours > 96 then 'over 96'
    end as x_first_reply_hours_bin,
    tickets.requester_wait_hours as x_requester_wait_hours,
    tickets.full_resolution_hours as x_full_resolution_hours,
    case
        when tickets.full_resolution_hours <= 24 then 'up to 24'
        when tickets.full_resolution_hours <= 72 then '24-72'
        when tickets.full_resolution_hours <= 168 then '72-168'
        when tickets.full_resolution_hours > 168 then 'over 168'
    end as x_full_resolution_hours_bin,
    case when moments.moment_id is not null then coalesce(tickets.tickets, 0) end as x_tickets,
    case when moments.moment_id is not null then coalesce(contacts.interactions, 0) end as x_interactions
from counted
left join int_moments as moments on moments.moment_id = concat('answer ', counted.response_id)
left join stg_purchases as purchases on purchases.order_id = counted.journey_id
left join parcels on parcels.moment_id = moments.moment_id
left join tickets on tickets.moment_id = moments.moment_id
left join contacts on contacts.moment_id = moments.moment_id
