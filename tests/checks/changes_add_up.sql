create table rpt_change as select * from (values
    ('2026-10', 'total', 'all', -2.0),
    ('2026-10', 'mix', 'all', 0.5),
    ('2026-10', 'reach', 'all', -1.5),
    ('2026-10', 'reach', 'late', -1.0),
    ('2026-10', 'reach', 'returned', -0.5),
    ('2026-10', 'effect', 'all', -0.75),
    ('2026-10', 'effect', 'late', -0.75),
    ('2026-10', 'level', 'all', -0.25)
) as parts (period, component, touchpoint, nps_points);
-- broken: a component is lost
create or replace table rpt_change as select * from rpt_change where component <> 'mix';
-- broken: a touchpoint is lost
create or replace table rpt_change as select * from rpt_change where touchpoint <> 'returned';
-- broken: there is no change to divide
create or replace table rpt_change as select * from rpt_change where component <> 'total';
