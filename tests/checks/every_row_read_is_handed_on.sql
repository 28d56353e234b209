create table source_tables as
select * from (
    values ('surveys', 'reviews', 10, true), ('purchases', 'orders', 8, false), ('purchases', 'customers', 7, false)
) as tables (source, table_name, handed_on, is_mapped_by_column);
create table rpt_data_quality as
select * from (
    values
        ('rows', 'surveys', 'reviews', 'handed on', 11),
        ('rows', 'surveys', null, 'handed on', 10),
        ('rows', 'surveys', null, 'staged', 9),
        ('rows', 'purchases', null, 'handed on', 8)
) as lines (section, source, "table", measure, rows);
-- broken: a row that was read is not handed on
insert into source_tables values ('surveys', 'more', 11, true);
