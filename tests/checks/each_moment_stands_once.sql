create table stg_purchases as select * from (values ('O1'), ('O2')) as purchases (order_id);
create table int_links as
select * from (
    values
        ('surveys', 'R1', 'order_id'),
        ('surveys', 'R2', 'latest_purchase'),
        ('surveys', 'R3', null),
        ('tickets', 'T1', 'order_id')
) as links (feed, event_id, link_rule);
create table int_moments as
select * from (
    values
        ('answer R1', 'O1', true),
        ('answer R2', 'O2', false),
        ('order O2', 'O2', true)
) as moments (moment_id, journey_id, speaks_for_journey);
-- broken: a moment stands twice
insert into int_moments values ('answer R2', 'O2', false);
-- broken: a linked answer has no moment
insert into int_links values ('surveys', 'R4', 'order_id');
-- broken: no moment speaks for a journey
insert into stg_purchases values ('O3');
-- broken: two moments speak for a journey
insert into int_moments values ('order O1', 'O1', true);
-- broken: a moment speaks for a journey that is not there
insert into int_moments values ('order O9', 'O9', true);
