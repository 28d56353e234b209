-- page_closed_loop: how many detractors were called, how many in time, and after how many hours; null where not told
-- grain: is_whole
-- reads: closed_loop
select
    true as is_whole,
    sum(case when period <> 'window' and team <> 'all' then cast(detractors as bigint) else 0 end) as detractors,
    sum(case when period <> 'window' and team <> 'all' then cast(contacted as bigint) else 0 end) as contacted,
    cast(sum(
        case when period <> 'window' and team <> 'all' then cast(contacted_in_time as bigint) end
    ) as double) as contacted_in_time,
    max(case when period = 'window' and team = 'all' then median_hours end) as median_hours
from closed_loop
