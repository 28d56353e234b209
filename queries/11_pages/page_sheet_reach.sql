-- page_sheet_reach: what the answers of the last 13 weeks had met, per value of the sheets' dimension
-- grain: segment, touchpoint
-- reads: sheet_answers, fct_attributions
select answers.segment, attributions.touchpoint, count(*) as exposed_responses
from sheet_answers as answers
inner join fct_attributions as attributions on attributions.response_id = answers.response_id
where answers.in_fit and answers.responded_at > answers.as_of - interval '91 days'
group by answers.segment, attributions.touchpoint
order by answers.segment, attributions.touchpoint
