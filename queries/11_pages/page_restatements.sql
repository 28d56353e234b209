-- page_restatements: figures of ended periods that were published and are different now
-- grain: period, measure, touchpoint
-- reads: rpt_restatements
select period, measure, touchpoint, value_was, value_is, responses_was, responses_is, reason
from rpt_restatements
where
    segment_dimension = 'all'
    and was_over
    and measure in ('nps', 'reach')
    and value_was is not null
    and value_is is not null
order by period desc, measure, touchpoint
