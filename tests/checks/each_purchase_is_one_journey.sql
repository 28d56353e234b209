create table stg_purchases as select * from (values ('O1'), ('O2')) as purchases (order_id);
create table fct_journeys as select * from (values ('O1'), ('O2')) as journeys (journey_id);
-- broken: a journey stands twice
insert into fct_journeys values ('O1');
-- broken: a purchase is lost
insert into stg_purchases values ('O3');
-- broken: a journey comes from nowhere
insert into fct_journeys values ('O4');
