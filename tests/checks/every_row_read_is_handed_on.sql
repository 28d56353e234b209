create table source_tables as
select * from (
    values
        ('surveys', 'reviews', 12, 2, true),
        ('purchases', 'orders', 8, 0, false),
        ('purchases', 'customers', 7, 0, false)
) as tables (source, table_name, rows_read, filtered, is_mapped_by_column);
create table rpt_data_quality as
select * from (
    values
        ('rows', 'surveys', 'handed on', 10),
        ('rows', 'surveys', 'staged', 9),
        ('rows', 'purchases', 'handed on', 8)
) as lines (section, source, measure, rows);
-- broken: a row that was read is not handed on
insert into source_tables values ('surveys', 'more', 11, 0, true);
