-- attributions_add_up: an answer's contributions sum to its prediction minus its baseline
-- reads: fct_exposures, fct_attributions
with

-- one row per answer with a touchpoint
summed as (
    select response_id, sum(contribution) as contributions
    from fct_attributions
    group by response_id
)

select
    coalesce(answers.response_id, summed.response_id) as response_id,
    answers.predicted_detractor_probability - answers.baseline_detractor_probability as expected,
    summed.contributions
from fct_exposures as answers
full join summed on summed.response_id = answers.response_id
where (summed.contributions is not null and answers.predicted_detractor_probability is null)
   or abs(
        answers.predicted_detractor_probability
        - answers.baseline_detractor_probability
        - coalesce(summed.contributions, 0)
    ) > 1e-9
