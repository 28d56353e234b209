-- int_moments: the moments of truth: every linked answer, and every journey that no answer speaks for
-- grain: moment_id
-- reads: stg_surveys, stg_purchases, int_links
-- kept: yes
with

-- one row per linked answer; about its order where it names one or its customer is not known, else about
-- its customer
answers as (
    select
        answers.response_id,
        links.journey_id,
        links.customer_id,
        answers.responded_at as t_ref,
        (answers.order_id is not null and $has_purchases) or links.customer_id is null as is_about_order,
        row_number() over (
            partition by links.journey_id order by answers.responded_at, answers.response_id
        ) as nth_of_journey,
        count(*) over (partition by links.journey_id) as responses
    from stg_surveys as answers
    inner join int_links as links on links.feed = 'surveys' and links.event_id = answers.response_id
    where links.link_rule is not null
),

-- one row per journey with an answer: its first valid one
first_answers as (
    select journey_id, response_id, t_ref, is_about_order, responses
    from answers
    where nth_of_journey = 1
      and journey_id is not null
)

select
    concat('answer ', answers.response_id) as moment_id,
    answers.response_id,
    answers.journey_id,
    answers.customer_id,
    case when answers.is_about_order then 'order' else 'customer' end as scope,
    case
        when answers.is_about_order then purchases.ordered_at
        else answers.t_ref - $lookback
    end as window_starts_at,
    answers.t_ref,
    -- the first answer of a journey speaks for it, if it is about that order
    answers.nth_of_journey = 1 and answers.is_about_order and answers.journey_id is not null
        as speaks_for_journey,
    answers.responses
from answers
left join stg_purchases as purchases on purchases.order_id = answers.journey_id

union all

select
    concat('order ', purchases.order_id),
    first_answers.response_id,
    purchases.order_id,
    buyers.customer_id,
    'order',
    purchases.ordered_at,
    coalesce(
        first_answers.t_ref,
        least(purchases.ordered_at + $journey, $as_of)
    ),
    true,
    coalesce(first_answers.responses, 0)
from stg_purchases as purchases
inner join int_links as buyers on buyers.feed = 'purchases' and buyers.event_id = purchases.order_id
left join first_answers on first_answers.journey_id = purchases.order_id
where first_answers.journey_id is null or not first_answers.is_about_order
