create table rpt_data_quality as
select * from (
    values
        ('rows', 'surveys', 'read', 10),
        ('rows', 'surveys', 'handed on', 10),
        ('rows', 'surveys', 'superseded', 1),
        ('rows', 'surveys', 'rejected', 2),
        ('rows', 'surveys', 'after the as-of', 3),
        ('rows', 'surveys', 'staged', 4),
        ('rows', 'tickets', 'handed on', 5),
        ('rows', 'tickets', 'staged', 5),
        ('coverage', 'tickets', 'first event', 5)
) as lines (section, source, measure, rows);
create table rejected_rows as select * from (values ('surveys'), ('surveys')) as rejects (source);
-- broken: a row is lost on the way
insert into rpt_data_quality values ('rows', 'tickets', 'handed on', 1);
-- broken: a row comes from nowhere
insert into rpt_data_quality values ('rows', 'surveys', 'staged', 1);
-- broken: a rejected row is not kept
create or replace table rejected_rows as select 'surveys' as source;
-- broken: a kept row is not counted
insert into rejected_rows values ('tickets');
-- broken: more rows are judged than were handed on
insert into rpt_data_quality values ('rows', 'tickets', 'superseded', -1), ('rows', 'tickets', 'staged', 1);
