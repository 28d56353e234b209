create table rpt_data_quality as
select * from (
    values
        ('rows', 'surveys', 'reviews', 'read', 15),
        ('rows', 'surveys', 'reviews', 'superseded', 2),
        ('rows', 'surveys', 'reviews', 'filtered', 3),
        ('rows', 'surveys', 'reviews', 'handed on', 10),
        ('filtered', 'surveys', 'reviews', 'deleted', 1),
        ('filtered', 'surveys', 'reviews', 'where', 2),
        ('rows', 'tickets', 'tickets', 'read', 5),
        ('rows', 'tickets', 'tickets', 'handed on', 5),
        ('rows', 'surveys', null, 'handed on', 10),
        ('rows', 'surveys', null, 'superseded', 1),
        ('rows', 'surveys', null, 'rejected', 2),
        ('rows', 'surveys', null, 'after the as-of', 3),
        ('rows', 'surveys', null, 'staged', 4),
        ('rows', 'tickets', null, 'handed on', 5),
        ('rows', 'tickets', null, 'staged', 5),
        ('coverage', 'tickets', null, 'first event', 5)
) as lines (section, source, "table", measure, rows);
create table rejected_rows as select * from (values ('surveys'), ('surveys')) as rejects (source);
-- broken: a row is lost on the way
insert into rpt_data_quality values ('rows', 'tickets', null, 'handed on', 1);
-- broken: a row comes from nowhere
insert into rpt_data_quality values ('rows', 'surveys', null, 'staged', 1);
-- broken: a rejected row is not kept
create or replace table rejected_rows as select 'surveys' as source;
-- broken: a kept row is not counted
insert into rejected_rows values ('tickets');
-- broken: more rows are judged than were handed on
insert into rpt_data_quality values ('rows', 'tickets', null, 'superseded', -1), ('rows', 'tickets', null, 'staged', 1);
-- broken: a row of a table is lost before the mapping
insert into rpt_data_quality values ('rows', 'tickets', 'tickets', 'read', 1);
-- broken: a row is filtered for no reason
insert into rpt_data_quality values ('rows', 'tickets', 'tickets', 'read', 1), ('rows', 'tickets', 'tickets', 'filtered', 1);
-- broken: a table hands on more than it read
insert into rpt_data_quality values ('rows', 'tickets', 'tickets', 'superseded', -1), ('rows', 'tickets', 'tickets', 'handed on', 1);
