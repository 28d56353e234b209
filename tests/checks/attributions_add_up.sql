create table fct_exposures as select * from (values
    ('R1', 0.5, 0.125),
    ('R2', 0.125, 0.125),
    ('R3', null, null)
) as answers (response_id, predicted_detractor_probability, baseline_detractor_probability);
create table fct_attributions as select * from (values
    ('R1', 'late', 0.25),
    ('R1', 'returned', 0.125)
) as shares (response_id, touchpoint, contribution);
-- broken: a share is lost
create or replace table fct_attributions as select * from (values ('R1', 'late', 0.25)) as shares (response_id, touchpoint, contribution);
-- broken: all shares of an answer are lost
create or replace table fct_attributions as select * from fct_attributions where response_id = 'R2';
-- broken: a share of an answer that had met nothing
insert into fct_attributions values ('R2', 'late', 0.001);
-- broken: a share of an answer without a prediction
insert into fct_attributions values ('R3', 'late', 0.25);
-- broken: a share of nobody
insert into fct_attributions values ('R4', 'late', 0.25);
