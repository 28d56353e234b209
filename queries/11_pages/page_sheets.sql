-- page_sheets: answers of each value of the sheets' dimension: this week, 4 and 13 weeks back
-- grain: segment
-- reads: sheet_answers
with

recent as (
    select
        *,
        case nps_class when 'promoter' then 1 when 'detractor' then -1 else 0 end as vote,
        responded_at > as_of - interval '7 days' as is_this_week,
        responded_at > as_of - interval '28 days' as is_in_4_weeks
    from sheet_answers
    where responded_at > as_of - interval '91 days'
),

-- one row per value and customer: answers of one customer are not independent
clusters as (
    select segment, "cluster", sum(vote) as votes, count(*) as answers
    from recent
    group by segment, "cluster"
),

-- one row per value: what its interval needs
squares as (
    select
        segment,
        sum(votes * votes) as net_net,
        sum(votes * answers) as net_answers,
        sum(answers * answers) as answers_answers,
        count(*) as customers
    from clusters
    group by segment
),

counts as (
    select
        segment,
        count(*) as responses_13,
        sum(case when nps_class = 'promoter' then 1 else 0 end) as promoters_13,
        sum(case when nps_class = 'detractor' then 1 else 0 end) as detractors_13,
        sum(case when is_in_4_weeks then 1 else 0 end) as responses_4,
        sum(case when is_in_4_weeks and nps_class = 'promoter' then 1 else 0 end) as promoters_4,
        sum(case when is_in_4_weeks and nps_class = 'detractor' then 1 else 0 end) as detractors_4,
        sum(case when is_this_week then 1 else 0 end) as responses_1,
        sum(case when is_this_week and nps_class = 'promoter' then 1 else 0 end) as promoters_1,
        sum(case when is_this_week and nps_class = 'detractor' then 1 else 0 end) as detractors_1,
        sum(case when in_fit then 1 else 0 end) as linked_13
    from recent
    group by segment
),

-- one row per value that has an answer in the window
everywhere as (
    select distinct segment from sheet_answers
)

select
    everywhere.segment,
    coalesce(responses_13, 0) as responses_13,
    coalesce(promoters_13, 0) as promoters_13,
    coalesce(detractors_13, 0) as detractors_13,
    coalesce(responses_4, 0) as responses_4,
    coalesce(promoters_4, 0) as promoters_4,
    coalesce(detractors_4, 0) as detractors_4,
    coalesce(responses_1, 0) as responses_1,
    coalesce(promoters_1, 0) as promoters_1,
    coalesce(detractors_1, 0) as detractors_1,
    coalesce(linked_13, 0) as linked_13,
    coalesce(net_net, 0) as net_net,
    coalesce(net_answers, 0) as net_answers,
    coalesce(answers_answers, 0) as answers_answers,
    coalesce(customers, 0) as customers
from everywhere
left join counts on counts.segment = everywhere.segment
left join squares on squares.segment = everywhere.segment
order by everywhere.segment
