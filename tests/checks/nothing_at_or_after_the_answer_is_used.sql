create table met_purchases as
select
    'answer R1' as moment_id,
    'O1' as order_id,
    timestamp '2025-05-10 10:00:00' as t_ref,
    timestamp '2025-05-10 09:59:59' as delivered_at,
    cast(null as timestamp) as returned_at,
    cast(null as timestamp) as refunded_at,
    cast(null as timestamp) as first_word_at;
create table met_tickets as
select
    'answer R1' as moment_id,
    'T1' as ticket_id,
    timestamp '2025-05-10 10:00:00' as t_ref,
    timestamp '2025-05-09 10:00:00' as opened_at,
    cast(null as timestamp) as first_replied_at,
    cast(null as timestamp) as solved_at;
create table met_interactions as
select
    'answer R1' as moment_id,
    'I1' as interaction_id,
    timestamp '2025-05-10 10:00:00' as t_ref,
    timestamp '2025-05-09 10:00:00' as occurred_at,
    cast(null as timestamp) as ended_at;
-- broken: a delivery at the very instant of the answer
insert into met_purchases
values ('answer R2', 'O2', '2025-05-10 10:00:00', '2025-05-10 10:00:00', null, null, null);
-- broken: goods returned after the answer
insert into met_purchases
values ('answer R2', 'O2', '2025-05-10 10:00:00', null, '2025-05-11 10:00:00', null, null);
-- broken: a refund after the answer
insert into met_purchases
values ('answer R2', 'O2', '2025-05-10 10:00:00', null, null, '2025-05-11 10:00:00', null);
-- broken: a word after the answer
insert into met_purchases
values ('answer R2', 'O2', '2025-05-10 10:00:00', null, null, null, '2025-05-11 10:00:00');
-- broken: a ticket opened after the answer
insert into met_tickets values ('answer R2', 'T2', '2025-05-10 10:00:00', '2025-05-11 10:00:00', null, null);
-- broken: a ticket replied to after the answer
insert into met_tickets
values ('answer R2', 'T2', '2025-05-10 10:00:00', '2025-05-09 10:00:00', '2025-05-11 10:00:00', null);
-- broken: a ticket solved after the answer
insert into met_tickets
values ('answer R2', 'T2', '2025-05-10 10:00:00', '2025-05-09 10:00:00', null, '2025-05-11 10:00:00');
-- broken: an interaction at the very instant of the answer
insert into met_interactions values ('answer R2', 'I2', '2025-05-10 10:00:00', '2025-05-10 10:00:00', null);
-- broken: an interaction that ended after the answer
insert into met_interactions
values ('answer R2', 'I2', '2025-05-10 10:00:00', '2025-05-09 10:00:00', '2025-05-11 10:00:00');
