-- int_answers: every valid answer: how it is linked, whether it counts, and its measures
-- grain: response_id
-- reads: stg_surveys, stg_purchases, int_links, int_moments, int_measures, pooled_kinds, pooled_triggers
-- kept: yes
with

-- one row per answer
judged as (
    select
        answers.*,
        links.journey_id,
        links.customer_id as linked_customer_id,
        links.matched_by,
        links.is_ambiguous,
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
    coalesce(
        purchases.store_id || ' ' || local_period(purchases.ordered_at, $zone, 'week'),
        counted."cluster"
    ) as store_week,

    measures.* exclude (moment_id)
from counted
left join int_moments as moments on moments.moment_id = concat('answer ', counted.response_id)
left join stg_purchases as purchases on purchases.order_id = counted.journey_id
left join int_measures as measures on measures.moment_id = moments.moment_id
