-- every_row_read_is_handed_on: a mapping column by column hands on each row that stands
-- reads: source_tables, rpt_data_quality
select tables.source, tables.table_name, tables.handed_on as standing, lines.rows as handed_on
from source_tables as tables
inner join rpt_data_quality as lines
    on lines.source = tables.source and lines.section = 'rows' and lines.measure = 'handed on'
    and lines."table" is null
where tables.is_mapped_by_column
  and tables.handed_on <> lines.rows
