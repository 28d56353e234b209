-- met_tickets: the tickets opened before each moment of truth, as they stood at it
-- grain: moment_id, ticket_id
-- reads: int_moments, int_links, stg_tickets, stg_ticket_events, stg_ticket_states
-- kept: yes
-- steps: about
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

-- one row per moment and ticket opened before it
about as (
    select moments.moment_id, moments.t_ref, links.event_id as ticket_id
    from int_moments as moments
    inner join int_links as links on links.feed = 'tickets' and links.journey_id = moments.journey_id
    where moments.scope = 'order'
      and links.occurred_at < moments.t_ref
    union all
    select windows.moment_id, windows.t_ref, links.event_id
    from windows
    inner join int_links as links
        on links.feed = 'tickets'
        and links.customer_id = windows.customer_id
        and date_bin($lookback, links.occurred_at) = windows.stretch
    where links.occurred_at < windows.t_ref
      and links.occurred_at >= windows.window_starts_at
),

-- one row per ticket that has a timeline
timelines as (
    select distinct ticket_id from stg_ticket_events
),

-- one row: which kinds of event the help desk exports at all; the silence of the others tells nothing
vocabulary as (
    select
        coalesce(bool_or(event = 'replied'), false) as tells_replies,
        coalesce(bool_or(event = 'solved'), false) as tells_solutions,
        coalesce(bool_or(event = 'reopened'), false) as tells_reopenings,
        coalesce(bool_or(event = 'transferred'), false) as tells_transfers
    from stg_ticket_events
),

-- one row per moment and ticket with a timeline: what it tells of the time before the moment
told as (
    select
        about.moment_id,
        about.ticket_id,
        min(case when events.event = 'replied' then events.occurred_at end) as first_replied_at,
        max(case when events.event = 'solved' then events.occurred_at end) as solved_at,
        max(case when events.event = 'reopened' then events.occurred_at end) as reopened_at,
        count(case when events.event = 'reopened' then 1 end) as reopens,
        count(case when events.event = 'replied' then 1 end) as replies,
        count(case when events.event = 'transferred' then 1 end) as transfers
    from about
    inner join timelines on timelines.ticket_id = about.ticket_id
    left join stg_ticket_events as events
        on events.ticket_id = about.ticket_id and events.occurred_at < about.t_ref
    group by about.moment_id, about.ticket_id
),

-- one row per moment and ticket that came in versions: when the newest version before the moment held, and
-- the oldest at or after it
around as (
    select
        about.moment_id,
        about.ticket_id,
        max(case when versions.held_by < about.t_ref then versions.held_by end) as before_at,
        min(case when versions.held_from >= about.t_ref then versions.held_by end) as after_at,
        -- one that may have been written on either side of the moment says that something else is known now
        bool_or(versions.held_by >= about.t_ref) as has_later
    from about
    inner join stg_ticket_states as versions on versions.ticket_id = about.ticket_id
    group by about.moment_id, about.ticket_id
),

-- what those two agree on held at the moment: counters only grow, and without a reopening between them a
-- solution does not move
versions as (
    select
        around.moment_id,
        around.ticket_id,
        around.before_at is not null and not around.has_later as is_unchanged_since,
        case
            when after.reopens = 0 or after.reopens = before.reopens then after.reopens
            when not around.has_later then before.reopens
        end as reopens,
        case
            when after.replies = 0 or after.replies = before.replies then after.replies
            when not around.has_later then before.replies
        end as replies,
        case
            when after.transfers = 0 or after.transfers = before.transfers then after.transfers
            when not around.has_later then before.transfers
        end as transfers,
        coalesce(
            before.solved_at,
            case when after.solved_at < about.t_ref then after.solved_at end
        ) as solved_at,
        case
            when not around.has_later then around.before_at is not null
            when around.after_at is null then false
            when after.reopens = 0 or after.reopens = before.reopens then true
            when before.reopens is null and after.reopens is null
                then before.solved_at is null or (before.solved_at is not distinct from after.solved_at)
            else false
        end as tells_solution
    from around
    inner join about on about.moment_id = around.moment_id and about.ticket_id = around.ticket_id
    left join stg_ticket_states as before
        on before.ticket_id = around.ticket_id and before.held_by = around.before_at
    left join stg_ticket_states as after
        on after.ticket_id = around.ticket_id and after.held_by = around.after_at
),

known as (
    select
        about.moment_id,
        about.t_ref,
        tickets.* exclude (first_replied_at, solved_at, reopens, replies, transfers, updated_at),
        told.ticket_id is not null and vocabulary.tells_replies as has_told_replies,
        told.ticket_id is not null and vocabulary.tells_solutions as has_told_solutions,
        told.ticket_id is not null and vocabulary.tells_reopenings as has_told_reopenings,
        told.ticket_id is not null and vocabulary.tells_transfers as has_told_transfers,
        coalesce(tickets.updated_at < about.t_ref, false) or coalesce(versions.is_unchanged_since, false)
            as is_unchanged_since,
        case when tickets.first_replied_at < about.t_ref then tickets.first_replied_at end
            as exported_first_replied_at,
        told.first_replied_at as told_first_replied_at,
        tickets.solved_at as latest_solved_at,
        told.solved_at as told_solved_at,
        told.reopened_at as told_reopened_at,
        told.reopens as told_reopens,
        told.replies as told_replies,
        told.transfers as told_transfers,
        tickets.reopens as latest_reopens,
        tickets.replies as latest_replies,
        tickets.transfers as latest_transfers,
        coalesce(versions.tells_solution, false) as has_version_solution,
        versions.solved_at as version_solved_at,
        versions.reopens as version_reopens,
        versions.replies as version_replies,
        versions.transfers as version_transfers
    from about
    inner join stg_tickets as tickets on tickets.ticket_id = about.ticket_id
    cross join vocabulary
    left join told on told.moment_id = about.moment_id and told.ticket_id = about.ticket_id
    left join versions on versions.moment_id = about.moment_id and versions.ticket_id = about.ticket_id
),

-- a latest state holds if nothing changed since the moment, or if a counter never left zero; else the
-- timeline tells, or the versions around the moment; else it is unknown
states as (
    select
        * exclude (
            exported_first_replied_at, told_first_replied_at, latest_solved_at, told_solved_at,
            told_reopened_at, told_reopens, told_replies, told_transfers,
            latest_reopens, latest_replies, latest_transfers, has_version_solution,
            version_solved_at, version_reopens, version_replies, version_transfers
        ),

        coalesce(told_first_replied_at, exported_first_replied_at) as first_replied_at,
        -- a time that is there and cannot be read says neither yes nor no
        ($has_first_replied_at and not coalesce(first_replied_at_note in ('unreadable', 'implausible'), false))
            or has_told_replies as is_reply_known,

        case
            when told_solved_at is not null then
                case when told_reopened_at >= told_solved_at then null else told_solved_at end
            when latest_solved_at < t_ref and not coalesce(told_reopened_at > latest_solved_at, false)
                then latest_solved_at
            when has_version_solution then version_solved_at
        end as solved_at,
        -- a reopening after the moment may have moved the solution that it knew
        (has_told_solutions and (has_told_reopenings or is_unchanged_since or coalesce(latest_reopens = 0, false)))
            or ($has_solved_at and not coalesce(solved_at_note in ('unreadable', 'implausible'), false) and (
                is_unchanged_since
                or coalesce(latest_reopens = 0, false)
                or has_version_solution
                or coalesce(latest_solved_at < t_ref, false)
            )) as is_solution_known,

        case
            when (is_unchanged_since and latest_reopens is not null) or latest_reopens = 0 then latest_reopens
            when has_told_reopenings then told_reopens
            else version_reopens
        end as reopens,
        case
            when (is_unchanged_since and latest_replies is not null) or latest_replies = 0 then latest_replies
            when has_told_replies then told_replies
            else version_replies
        end as replies,
        case
            when (is_unchanged_since and latest_transfers is not null) or latest_transfers = 0
                then latest_transfers
            when has_told_transfers then told_transfers
            else version_transfers
        end as transfers
    from known
)

select
    states.*,
    case when is_solution_known then solved_at is not null end as is_solved,
    hours_between(opened_at, first_replied_at) as first_reply_hours,
    -- up to the first reply, or to the moment where there was none
    case when is_reply_known then hours_between(opened_at, coalesce(first_replied_at, t_ref)) end
        as waited_hours,
    -- up to the solution, or to the moment where there was none
    case when is_solution_known then hours_between(opened_at, coalesce(solved_at, t_ref)) end
        as requester_wait_hours,
    case when is_solution_known then hours_between(opened_at, solved_at) end as full_resolution_hours,
    channel <> first_value(channel) over (partition by moment_id order by opened_at, ticket_id)
        as is_other_channel
from states
