create table stg_purchases as
select * from (values ('O1'), ('O2')) as purchases (order_id);
create table int_links as
select * from (
    values
        ('surveys', 'R1', 'O1'),
        ('tickets', 'T1', 'O1'),
        ('interactions', 'I1', 'O2'),
        ('tickets', 'T2', null)
) as links (feed, event_id, journey_id);
create table fct_journey_events as
select * from (
    values
        ('O1', 'purchases', 'O1', 'ordered'),
        ('O1', 'purchases', 'O1', 'delivered'),
        ('O2', 'purchases', 'O2', 'ordered'),
        ('O1', 'surveys', 'R1', 'answered'),
        ('O1', 'tickets', 'T1', 'ticket_opened'),
        ('O1', 'tickets', 'T1', 'ticket_solved'),
        ('O2', 'interactions', 'I1', 'call')
) as events (journey_id, source, source_key, activity);
-- broken: a purchase without its event
insert into stg_purchases values ('O3');
-- broken: an answer without its event
insert into int_links values ('surveys', 'R2', 'O1');
-- broken: a ticket without its event
insert into int_links values ('tickets', 'T3', 'O1');
-- broken: a contact that stands in another journey
insert into int_links values ('interactions', 'I1', 'O1');
-- broken: a ticket opened twice
insert into fct_journey_events values ('O1', 'tickets', 'T1', 'ticket_opened');
-- broken: a contact of no journey
insert into fct_journey_events values ('O2', 'interactions', 'I2', 'call');
