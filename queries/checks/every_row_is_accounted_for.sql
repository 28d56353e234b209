-- every_row_is_accounted_for: per table, rows read = superseded + filtered + handed on; per feed, rows handed on = superseded + rejected + after the as-of + staged
-- reads: rpt_data_quality, rejected_rows
with

accounts as (
    select
        source,
        sum(case when measure = 'handed on' then rows else 0 end) as handed_on,
        sum(case when measure = 'superseded' then rows else 0 end) as superseded,
        sum(case when measure = 'rejected' then rows else 0 end) as rejected,
        sum(case when measure = 'after the as-of' then rows else 0 end) as after_as_of,
        sum(case when measure = 'staged' then rows else 0 end) as staged
    from rpt_data_quality
    where section = 'rows'
      and "table" is null
    group by source
),

tables as (
    select
        source,
        "table" as table_name,
        sum(case when measure = 'read' then rows else 0 end) as rows_read,
        sum(case when measure = 'superseded' then rows else 0 end) as superseded,
        sum(case when measure = 'filtered' then rows else 0 end) as filtered,
        sum(case when measure = 'handed on' then rows else 0 end) as handed_on
    from rpt_data_quality
    where section = 'rows'
      and "table" is not null
    group by source, "table"
),

reasons as (
    select source, "table" as table_name, sum(rows) as rows
    from rpt_data_quality
    where section = 'filtered'
    group by source, "table"
),

rejects as (
    select source, count(*) as rows
    from rejected_rows
    group by source
)

select accounts.source, cast(null as varchar) as table_name, accounts.handed_on, rejects.rows
from accounts
left join rejects on rejects.source = accounts.source
where accounts.handed_on <> accounts.superseded + accounts.rejected + accounts.after_as_of + accounts.staged
   or accounts.rejected <> coalesce(rejects.rows, 0)
   or accounts.superseded < 0

union all

select tables.source, tables.table_name, tables.handed_on, reasons.rows
from tables
left join reasons on reasons.source = tables.source and reasons.table_name = tables.table_name
where tables.rows_read <> tables.superseded + tables.filtered + tables.handed_on
   or tables.filtered <> coalesce(reasons.rows, 0)
   or tables.superseded < 0
   or tables.handed_on < 0
