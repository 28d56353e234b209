-- stg_ticket_states: how each ticket stood in each version of it that was delivered up to the as-of
-- grain: ticket_id, held_by
-- reads: ticket_versions
-- kept: yes
with

-- one row per version; it is as old as its last change or, where the export does not say, as its delivery
versions as (
    select
        ticket_id,
        coalesce(updated_at, _held_from) as held_from,
        coalesce(updated_at, _held_by) as held_by,
        solved_at,
        reopens,
        replies,
        transfers
    from ticket_versions
    where ticket_id is not null
      and _problem is null
)

select
    ticket_id,
    min(held_from) as held_from,
    held_by,
    min(solved_at) as solved_at,
    min(reopens) as reopens,
    min(replies) as replies,
    min(transfers) as transfers
from versions
where held_by is not null
group by ticket_id, held_by
-- versions of one moment that contradict each other tell nothing
having count(solved_at) in (0, count(*)) and coalesce(min(solved_at) = max(solved_at), true)
   and count(reopens) in (0, count(*)) and coalesce(min(reopens) = max(reopens), true)
   and count(replies) in (0, count(*)) and coalesce(min(replies) = max(replies), true)
   and count(transfers) in (0, count(*)) and coalesce(min(transfers) = max(transfers), true)
