create table rpt_effects as select * from (values
    ('all', 'all', 'late', 'total', 'avoidable_detractors', 30.0),
    ('region', 'north', 'late', 'total', 'avoidable_detractors', 20.0),
    ('region', 'south', 'late', 'total', 'avoidable_detractors', 10.0),
    ('region', 'north', 'late', 'total_own', 'nps_points', 7.0),
    ('region', 'north', 'late', 'raw', 'avoidable_detractors', 90.0)
) as effects (segment_dimension, segment, touchpoint, estimand, measure, estimate);
-- broken: a segment is lost
create or replace table rpt_effects as select * from rpt_effects where segment <> 'south';
-- broken: a segment of a touchpoint that the whole does not have
insert into rpt_effects values ('region', 'north', 'early', 'direct', 'avoidable_detractors', 1.0);
