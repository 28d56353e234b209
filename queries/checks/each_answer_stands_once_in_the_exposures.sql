-- each_answer_stands_once_in_the_exposures: every valid answer once, no other
-- reads: stg_surveys, fct_exposures
with

found as (
    select response_id, count(*) as times
    from fct_exposures
    group by response_id
)

select
    coalesce(answers.response_id, found.response_id) as response_id,
    found.times
from stg_surveys as answers
full join found on found.response_id = answers.response_id
where (found.times is distinct from 1)
   or answers.response_id is null
