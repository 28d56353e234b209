-- page_comments: the newest comments of detractors and promoters who met a touchpoint
-- grain: touchpoint, response_id
-- reads: fct_exposures, fct_attributions
with

commented as (
    select response_id, "cluster", period, score, nps_class, responded_at, comment
    from fct_exposures
    where in_fit and trim(comment) <> ''
),

-- one row per answer: what all touchpoints together raise and lower (as decimals, in any order the same), and
-- the most that one of them does
weighed as (
    select
        response_id,
        sum(case when contribution > 0 then cast(contribution as decimal(20, 9)) else 0 end) as raised,
        sum(case when contribution < 0 then cast(-contribution as decimal(20, 9)) else 0 end) as lowered,
        max(contribution) as highest,
        min(contribution) as lowest
    from fct_attributions
    group by response_id
),

-- one row per comment and touchpoint met; the newest of each class come first
met as (
    select
        attributions.touchpoint,
        attributions.contribution,
        cast(weighed.raised as double) as raised,
        cast(weighed.lowered as double) as lowered,
        attributions.contribution >= weighed.highest as is_highest,
        attributions.contribution <= weighed.lowest as is_lowest,
        commented.*,
        count(*) over (partition by attributions.touchpoint) as comments,
        row_number() over (
            partition by attributions.touchpoint, commented.nps_class
            order by commented.responded_at desc, commented.response_id
        ) as place
    from commented
    inner join fct_attributions as attributions on attributions.response_id = commented.response_id
    inner join weighed on weighed.response_id = commented.response_id
)

select
    touchpoint,
    comments,
    nps_class,
    period,
    score,
    "cluster",
    comment,
    contribution,
    raised,
    lowered,
    is_highest,
    is_lowest,
    response_id
from met
where nps_class in ('detractor', 'promoter') and place <= 400
order by touchpoint, nps_class, responded_at desc, response_id
