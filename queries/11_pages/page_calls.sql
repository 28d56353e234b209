-- page_calls: detractors whom nobody has reached yet, per value of the sheets' dimension, the most urgent first
-- grain: segment, follow_up_id
-- reads: follow_up_cases, sheet_answers
select
    answers.segment,
    cases.follow_up_id,
    cast(cases.score as bigint) as score,
    cast(cases.responded_at as bigint) as answered_micros,
    cast(cases.due_at as bigint) as due_micros,
    cases.due_at < cases.as_of as is_overdue,
    cases.reason_1,
    cases.reason_2,
    cases.reason_3
from follow_up_cases as cases
inner join sheet_answers as answers on answers.response_id = cases.response_id
where cases.nps_class = 'detractor' and cases.status in ('new', 'open')
order by answers.segment, due_micros, cases.follow_up_id
