create table stg_surveys as select * from (values ('R1'), ('R2')) as answers (response_id);
create table fct_exposures as select * from (values ('R1'), ('R2')) as exposures (response_id);
-- broken: an answer stands twice
insert into fct_exposures values ('R1');
-- broken: an answer is lost
insert into stg_surveys values ('R3');
-- broken: an answer comes from nowhere
insert into fct_exposures values ('R4');
