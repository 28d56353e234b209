create table met_purchases as
select
    column1 as moment_id, column2 as order_id, cast(column3 as timestamp) as t_ref,
    cast(column4 as timestamp) as delivered_at, cast(column5 as timestamp) as returned_at,
    cast(column6 as timestamp) as refunded_at, cast(column7 as timestamp) as first_word_at
from (
    values
        ('answer R1', 'O1', '2025-05-10 10:00:00', '2025-05-10 09:59:59', null, null, null),
        ('order O2', 'O2', '2025-05-10 10:00:00', null, null, null, '2025-05-10 09:59:59')
);
create table met_tickets as
select
    column1 as moment_id, column2 as ticket_id, cast(column3 as timestamp) as t_ref,
    cast(column4 as timestamp) as opened_at, cast(column5 as timestamp) as first_replied_at,
    cast(column6 as timestamp) as solved_at
from (values ('answer R1', 'T1', '2025-05-10 10:00:00', '2025-05-09 10:00:00', null, null));
create table met_interactions as
select
    column1 as moment_id, column2 as interaction_id, cast(column3 as timestamp) as t_ref,
    cast(column4 as timestamp) as occurred_at, cast(column5 as timestamp) as ended_at
from (values ('answer R1', 'I1', '2025-05-10 10:00:00', '2025-05-09 10:00:00', null));
create table int_moments as
select column1 as moment_id, column2 as response_id, cast(column3 as timestamp) as t_ref
from (values ('answer R1', 'R1', '2025-05-10 10:00:00'), ('order O2', null, '2025-05-10 10:00:00'));
create table stg_surveys as
select column1 as response_id, cast(column2 as timestamp) as responded_at
from (values ('R1', '2025-05-10 10:00:00'), ('R2', '2025-05-10 10:00:00'));
-- broken: a moment that is not the answer's
insert into int_moments values ('answer R2', 'R2', '2025-05-10 10:00:01');
-- broken: a moment of an answer that is not there
insert into int_moments values ('answer R9', 'R9', '2025-05-10 10:00:00');
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
