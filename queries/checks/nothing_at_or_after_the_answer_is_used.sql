-- nothing_at_or_after_the_answer_is_used: what each moment met happened strictly before it
-- reads: met_purchases, met_tickets, met_interactions, int_moments, stg_surveys
select 'purchases' as feed, moment_id, order_id as event_id
from met_purchases
where delivered_at >= t_ref
   or returned_at >= t_ref
   or refunded_at >= t_ref
   or first_word_at >= t_ref
union all
select 'tickets', moment_id, ticket_id
from met_tickets
where opened_at >= t_ref
   or first_replied_at >= t_ref
   or solved_at >= t_ref
union all
select 'interactions', moment_id, interaction_id
from met_interactions
where occurred_at >= t_ref
   or ended_at >= t_ref
union all
-- the moment of an answer is the answer itself
select 'moments', moments.moment_id, moments.response_id
from int_moments as moments
left join stg_surveys as answers on answers.response_id = moments.response_id
where moments.response_id is not null
  and (moments.t_ref is distinct from answers.responded_at)
