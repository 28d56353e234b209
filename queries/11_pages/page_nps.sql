-- page_nps: NPS of all answers that count, per period and for the window
-- grain: period
-- reads: rpt_nps
select
    period,
    responses,
    promoters,
    passives,
    detractors,
    nps,
    nps_low,
    nps_high,
    nps_change,
    change_p_value,
    nps_weighted
from rpt_nps
where segment_dimension = 'all'
order by period
