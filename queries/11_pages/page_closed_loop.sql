-- page_closed_loop: of how many detractors it is known whether they were called in time, how many were called, after how many hours, and how many cases are closed
-- grain: is_whole
-- reads: closed_loop
select
    true as is_whole,
    cast(round(
        case when contacted_in_time_share > 0 then contacted_in_time / contacted_in_time_share else detractors end
    ) as bigint) as detractors,
    cast(detractors as bigint) as all_detractors,
    cast(contacted as bigint) as contacted,
    closed,
    contacted_in_time,
    median_hours
from closed_loop
where week = 'window' and team = 'all'
