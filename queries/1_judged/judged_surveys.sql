-- judged_surveys: every answer handed on, with the reason why it is rejected, where it is
-- grain: a row of unique_surveys
-- reads: unique_surveys, unique_purchases
with

-- one row per order whose time of purchase is beyond doubt
bought as (
    select order_id, ordered_at
    from unique_purchases
    where order_id is not null
      and _problem is null
      and not is_conflicting
)

select
    answers.*,
    (answers.responded_at > $as_of) is true as is_after_as_of,
    case
        when answers._problem is not null then answers._problem
        when answers.responded_at > $as_of then null
        when answers.response_id is null then 'missing response_id'
        when answers.is_conflicting then 'conflicting duplicate'
        when answers.responded_at_note in ('unreadable', 'implausible')
            then concat(answers.responded_at_note, ' responded_at')
        when answers.responded_at is null then 'missing responded_at'
        when answers.score_note = 'unreadable' then 'unreadable score'
        when answers.score is null then 'missing score'
        when answers.score not between $score_min and $score_max or answers.score % 1 <> 0
            then 'score out of scale'
        when bought.ordered_at > answers.responded_at then 'answer before its purchase'
    end as reject_reason
from unique_surveys as answers
left join bought on bought.order_id = answers.order_id
