create table rpt_touchpoint_impact as
select * from (
    values ('all', 'all', 'late', 12, 4, 3, 2, 2, 1, 0), ('all', 'all', 'repair', 10, 0, 0, 0, 0, 0, 10)
) as impact (
    segment_dimension, segment, touchpoint, responses, exposed_responses, unexposed_responses,
    other_state_responses, unknown_responses, too_early_responses, not_measured_responses
);
-- broken: an answer is in no state
insert into rpt_touchpoint_impact values ('region', 'north', 'late', 3, 1, 1, 0, 0, 0, 0);
-- broken: an answer is in two states
insert into rpt_touchpoint_impact values ('region', 'north', 'late', 3, 1, 2, 1, 0, 0, 0);
