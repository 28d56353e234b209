create table fct_journey_events as
select * from (
    values
        ('O1', 'a', 1, timestamp '2025-05-01 09:00:00'),
        ('O1', 'b', 2, timestamp '2025-05-01 09:00:00'),
        ('O1', 'c', 3, timestamp '2025-05-02 09:00:00'),
        ('O2', 'd', 1, timestamp '2025-04-01 09:00:00')
) as events (journey_id, event_id, position, occurred_at);
-- broken: an event stands twice
insert into fct_journey_events values ('O1', 'a', 4, timestamp '2025-05-03 09:00:00');
-- broken: the event of a later position is earlier
insert into fct_journey_events values ('O1', 'e', 4, timestamp '2025-05-01 12:00:00');
-- broken: a position is left out
insert into fct_journey_events values ('O2', 'e', 3, timestamp '2025-05-01 12:00:00');
-- broken: two events have one position
insert into fct_journey_events values ('O2', 'e', 1, timestamp '2025-04-01 09:00:00');
