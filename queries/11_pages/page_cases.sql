-- page_cases: detractors whom nobody has reached yet, by whole days since their answer
-- grain: age_days
-- reads: follow_up_cases, fct_exposures
select
    cast(floor((cases.as_of - cases.responded_at) / 86400000000.0) as bigint) as age_days,
    count(*) as cases,
    sum(case when cases.due_at < cases.as_of then 1 else 0 end) as overdue,
    cast(sum(cast(cases.value_at_risk as decimal(20, 2))) as double) as value_at_risk,
    min(answers.currency) as lowest_currency,
    max(answers.currency) as highest_currency
from follow_up_cases as cases
left join fct_exposures as answers on answers.response_id = cases.response_id
where cases.nps_class = 'detractor' and cases.status in ('new', 'open')
group by 1
order by 1
