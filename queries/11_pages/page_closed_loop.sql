-- page_closed_loop: of how many detractors it is known whether they were called in time, how many were called, and after how many hours
-- grain: is_whole
-- reads: closed_loop
select
    true as is_whole,
    cast(round(
        case when contacted_in_time_share > 0 then contacted_in_time / contacted_in_time_share else detractors end
    ) as bigint) as detractors,
    cast(contacted as bigint) as contacted,
    contacted_in_time,
    median_hours
from closed_loop
where week = 'window' and team = 'all'
