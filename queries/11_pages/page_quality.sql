-- page_quality: what came in, what became of it, and what is linked
-- grain: section, source, table, measure
-- reads: rpt_data_quality
select section, source, "table" as table_name, measure, rows, share, cast("at" as bigint) as at_micros
from rpt_data_quality
where section in ('rows', 'rejected', 'links', 'leakage', 'coverage')
order by section, source, table_name, measure
