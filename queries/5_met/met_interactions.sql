-- met_interactions: the interactions before each moment of truth, as they stood at it
-- grain: moment_id, interaction_id
-- reads: int_moments, int_links, stg_interactions, stg_purchases, stg_tickets
-- kept: yes
with

-- one row per answer about its customer and stretch of time, one lookback long, that its window touches;
-- joining by stretch keeps customers with thousands of answers and events affordable
windows as (
    select moment_id, customer_id, t_ref, window_starts_at, date_bin($lookback, t_ref) as stretch
    from int_moments
    where scope = 'customer'
    union all
    select moment_id, customer_id, t_ref, window_starts_at, date_bin($lookback, window_starts_at)
    from int_moments
    where scope = 'customer'
),

-- one row per moment and interaction before it
about as (
    select moments.moment_id, moments.t_ref, links.event_id as interaction_id, links.journey_id
    from int_moments as moments
    inner join int_links as links
        on links.feed = 'interactions' and links.journey_id = moments.journey_id
    where moments.scope = 'order'
      and links.occurred_at < moments.t_ref
    union all
    select windows.moment_id, windows.t_ref, links.event_id, links.journey_id
    from windows
    inner join int_links as links
        on links.feed = 'interactions'
        and links.customer_id = windows.customer_id
        and date_bin($lookback, links.occurred_at) = windows.stretch
    where links.occurred_at < windows.t_ref
      and links.occurred_at >= windows.window_starts_at
),

offered as (
    select contacts.interaction_id, links.customer_id, links.journey_id
    from stg_interactions as contacts
    inner join int_links as links on links.feed = 'interactions' and links.event_id = contacts.interaction_id
    where contacts.kind = 'offer'
),

-- one row per offer and ticket of the same customer, or of the same journey
asked as (
    select offered.interaction_id, links.event_id as ticket_id
    from offered
    inner join int_links as links on links.feed = 'tickets' and links.customer_id = offered.customer_id
    union
    select offered.interaction_id, links.event_id
    from offered
    inner join int_links as links on links.feed = 'tickets' and links.journey_id = offered.journey_id
),

-- one row per offer to a customer who had tickets: how many were surely, and how many perhaps, open then
offers as (
    select
        contacts.interaction_id,
        count(case when tickets.solved_at is null or tickets.solved_at > contacts.occurred_at then 1 end)
            as perhaps_open,
        count(
            case
                when (tickets.solved_at is null or tickets.solved_at > contacts.occurred_at)
                    -- a ticket reopened later may have been solved at the time
                    and (tickets.reopens = 0 or tickets.updated_at < contacts.occurred_at)
                    then 1
            end
        ) as surely_open
    from stg_interactions as contacts
    inner join asked on asked.interaction_id = contacts.interaction_id
    inner join stg_tickets as tickets
        on tickets.ticket_id = asked.ticket_id and tickets.opened_at < contacts.occurred_at
    group by contacts.interaction_id
)

select
    about.moment_id,
    about.t_ref,
    contacts.* exclude (ended_at),
    case when contacts.ended_at < about.t_ref then contacts.ended_at end as ended_at,
    -- a time that is there and cannot be read says neither yes nor no
    case
        when contacts.due_at_note in ('unreadable', 'implausible') then null
        when contacts.due_ends_at is null or contacts.due_ends_at >= about.t_ref then false
        when contacts.ended_at_note in ('unreadable', 'implausible') then null
        else contacts.ended_at is null or contacts.ended_at >= about.t_ref
            or contacts.ended_at > contacts.due_ends_at
    end as is_promise_broken,
    case
        when contacts.kind <> 'offer' then null
        when offers.surely_open > 0 then offers.surely_open
        when offers.perhaps_open > 0 then null
        else 0
    end as open_tickets,
    case when purchases.delivered_at < contacts.occurred_at
        then days_between(purchases.delivered_at, contacts.occurred_at) end as days_since_delivery
from about
inner join stg_interactions as contacts on contacts.interaction_id = about.interaction_id
left join stg_purchases as purchases on purchases.order_id = about.journey_id
left join offers on offers.interaction_id = about.interaction_id
