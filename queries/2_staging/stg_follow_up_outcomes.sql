-- stg_follow_up_outcomes: what came of following up on answers, up to the as-of
-- grain: named_id, contacted_at
-- reads: judged_follow_up_outcomes
-- kept: yes
select
    named_id,
    -- null where the answer is not among the surveys
    answer_id as response_id,
    contacted_at,
    outcome,
    root_cause,
    -- what was resolved later was not yet
    case when resolved_at <= $as_of then resolved_at end as resolved_at,
    team,
    _file,
    _row
from judged_follow_up_outcomes
where reject_reason is null
  and not is_after_as_of
