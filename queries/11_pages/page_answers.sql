-- page_answers: the answers inside the window: which count, which are linked, and why the others are not
-- grain: left_out_reason, unlinked_reason
-- reads: fct_exposures
select
    case when is_counted then null else left_out_reason end as left_out_reason,
    case when is_counted and not in_fit then unlinked_reason end as unlinked_reason,
    count(*) as answers,
    sum(case when is_counted then 1 else 0 end) as counted,
    sum(case when in_fit then 1 else 0 end) as linked,
    sum(case when is_counted and trim(comment) <> '' then 1 else 0 end) as comments,
    sum(case when customer_id is not null or journey_id is not null then 1 else 0 end) as known
from fct_exposures
where coalesce(left_out_reason, '') <> 'before the window'
group by 1, 2
order by 1, 2
