create table met_purchases as
select * from (values ('answer R1', 'O1'), ('answer R2', 'O1')) as met (moment_id, order_id);
create table met_tickets as
select * from (values ('answer R1', 'T1'), ('answer R1', 'T2')) as met (moment_id, ticket_id);
create table met_interactions as
select * from (values ('answer R1', 'I1'), ('order O1', 'I1')) as met (moment_id, interaction_id);
-- broken: a join repeats a purchase
insert into met_purchases values ('answer R1', 'O1');
-- broken: a join repeats a ticket
insert into met_tickets values ('answer R1', 'T2');
-- broken: a join repeats an interaction
insert into met_interactions values ('order O1', 'I1');
