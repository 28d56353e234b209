create table rpt_nps as
select * from (
    values
        ('2025-05', 'all', 'all', 5, 2),
        ('2025-05', 'region', 'north', 3, 2),
        ('2025-05', 'region', '(unknown)', 2, 0),
        ('window', 'all', 'all', 5, 2),
        ('window', 'region', 'north', 3, 2),
        ('window', 'region', '(unknown)', 2, 0)
) as nps (period, segment_dimension, segment, responses, detractors);
create table rpt_touchpoint_impact as
select * from (
    values
        ('late', 'all', 'all', 5, 1),
        ('late', 'region', 'north', 3, 1),
        ('late', 'region', '(unknown)', 2, 0)
) as impact (touchpoint, segment_dimension, segment, responses, exposed_responses);
-- broken: an answer stands in two segments
insert into rpt_nps values ('2025-05', 'region', 'south', 1, 0);
-- broken: a detractor stands in two segments
insert into rpt_nps values ('window', 'region', 'south', 0, 1);
-- broken: a period is missing from a dimension
insert into rpt_nps values ('2025-06', 'all', 'all', 1, 0);
-- broken: a dimension of one report is missing from the other
insert into rpt_nps values ('2025-05', 'channel', 'web', 5, 2), ('window', 'channel', 'web', 5, 2);
-- broken: a segment's answers are missing from a touchpoint
insert into rpt_touchpoint_impact values ('late', 'channel', 'web', 4, 1);
-- broken: a segment's exposures are missing from a touchpoint
insert into rpt_touchpoint_impact values ('late', 'channel', 'web', 5, 0);
-- broken: a touchpoint is missing from a dimension
insert into rpt_touchpoint_impact values ('early', 'all', 'all', 5, 1);
