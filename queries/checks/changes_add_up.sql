-- changes_add_up: mix, reach, effect, level and what is not fitted sum to the change, and touchpoints to their component
-- reads: rpt_change
with

-- one row per period
components as (
    select
        period,
        max(case when component = 'total' then nps_points end) as expected,
        sum(case when component <> 'total' then nps_points end) as nps_points
    from rpt_change
    where touchpoint = 'all'
    group by period
),

-- one row per period and component that is told by touchpoint
details as (
    select
        period,
        max(case when touchpoint = 'all' then nps_points end) as expected,
        sum(case when touchpoint <> 'all' then nps_points end) as nps_points
    from rpt_change
    where component in ('reach', 'effect')
    group by period, component
)

select period, expected, nps_points
from components
where (nps_points is null) or (expected is null) or abs(nps_points - expected) > 1e-6
union all
select period, expected, nps_points
from details
where (expected is null) or abs(nps_points - expected) > 1e-6
