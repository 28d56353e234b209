-- each_event_is_met_once_per_moment: no join repeats a purchase, ticket or interaction for a moment
-- reads: met_purchases, met_tickets, met_interactions
select 'purchases' as feed, moment_id, order_id as event_id, count(*) as times
from met_purchases
group by moment_id, order_id
having count(*) > 1
union all
select 'tickets', moment_id, ticket_id, count(*)
from met_tickets
group by moment_id, ticket_id
having count(*) > 1
union all
select 'interactions', moment_id, interaction_id, count(*)
from met_interactions
group by moment_id, interaction_id
having count(*) > 1
