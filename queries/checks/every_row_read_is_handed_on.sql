-- every_row_read_is_handed_on: a table mapped column by column hands on each row that it read and did not filter
-- reads: source_tables, rpt_data_quality
select tables.source, tables.table_name, tables.rows_read, tables.filtered, lines.rows as handed_on
from source_tables as tables
inner join rpt_data_quality as lines
    on lines.source = tables.source and lines.section = 'rows' and lines.measure = 'handed on'
where tables.is_mapped_by_column
  and tables.rows_read - tables.filtered <> lines.rows
