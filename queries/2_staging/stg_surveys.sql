-- stg_surveys: every valid answer up to the as-of, with its class
-- grain: response_id
-- reads: judged_surveys
-- kept: yes
select
    * exclude (reject_reason, is_after_as_of, is_conflicting, _problem, score),

    cast(score as bigint) as score,
    case
        when score <= $detractor_max then 'detractor'
        when score >= $promoter_min then 'promoter'
        else 'passive'
    end as nps_class,
    coalesce(score <= $severe_max, false) as is_severe,

    local_period(responded_at, $zone, $period) as period
from judged_surveys
where reject_reason is null
  and not is_after_as_of
