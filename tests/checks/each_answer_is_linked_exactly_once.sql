create table stg_surveys as select 'R1' as response_id;
create table stg_purchases as select 'O1' as order_id;
create table stg_tickets as select 'T1' as ticket_id;
create table stg_interactions as select 'I1' as interaction_id;
create table int_links as
select * from (values ('surveys', 'R1'), ('purchases', 'O1'), ('tickets', 'T1'), ('interactions', 'I1')) as links (feed, event_id);
-- broken: a join repeats an answer
insert into int_links values ('surveys', 'R1');
-- broken: a join loses a ticket
insert into stg_tickets values ('T2');
-- broken: a link of an interaction that is not there
insert into int_links values ('interactions', 'I2');
-- broken: a join repeats a purchase
insert into int_links values ('purchases', 'O1');
