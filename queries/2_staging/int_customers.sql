-- int_customers: every purchase, answer, ticket and contact, and the customer that its match values stand for, or the few among whom it must be
-- grain: feed, event_id, nth
-- reads: match_values, judged_identities
-- kept: yes
-- steps: told, known, meanings, candidates
with

-- one row per value that `identities` tells of, and customer that it stands for
told as (
    select distinct
        lower(kind) as kind,
        match_value(value) as value,
        match_value(customer_id) as customer_id
    from judged_identities
    where reject_reason is null
),

-- one row per value that `identities` tells of
told_values as (
    select kind, value, count(*) as customers, min(customer_id) as customer_id
    from told
    group by kind, value
),

-- one row per value that purchases or `identities` know; where neither knows any, of any feed. An id of
-- another system's own numbering is not among them, and must not hide the address beside it
known as (
    select kind, value from match_values where feed = 'purchases' and value is not null
    union
    select kind, value from told
    union
    select 'customer_id', customer_id from told
    union
    select kind, value
    from match_values
    where value is not null
      and (select count(*) from match_values where feed = 'purchases' and value is not null) = 0
      and (select count(*) from told) = 0
),

-- one row per further value and customer that stand together in a row of any feed
seen as (
    select distinct
        keys.kind,
        keys.value,
        coalesce(own.customer_id, keys.own_id) as customer_id
    from match_values as keys
    inner join known as known_id on known_id.kind = 'customer_id' and known_id.value = keys.own_id
    left join told_values as own on own.kind = 'customer_id' and own.value = keys.own_id
    left join told_values as told_already on told_already.kind = keys.kind and told_already.value = keys.value
    where keys.kind <> 'customer_id'
      and keys.own_id is not null
      and told_already.value is null
      -- an id that is itself shared names nobody
      and coalesce(own.customers, 1) = 1
),

-- one row per value and customer that it stands for; one row of a value that stands for too many
meanings as (
    select *
    from (
        select
            *,
            count(*) over (partition by kind, value) as customers,
            row_number() over (partition by kind, value order by customer_id) as nth
        from (
            select * from told
            union all
            select * from seen
        )
    )
    where nth = 1 or customers <= $max_customers_per_value
),

-- one row per row, match value and customer that it may be; a value of which nothing is told stands for
-- itself; one row of a row without a value
candidates as (
    select
        keys.*,
        case when keys.value is not null then coalesce(meanings.customers, 1) else 0 end as customers,
        coalesce(meanings.nth, 1) as nth,
        meanings.value is not null or known.value is not null as is_known,
        coalesce(
            meanings.customer_id,
            case when keys.kind = 'customer_id' then keys.value else concat(keys.kind, ' ', keys.value) end
        ) as meant_id
    from match_values as keys
    left join meanings on meanings.kind = keys.kind and meanings.value = keys.value
    left join known on known.kind = keys.kind and known.value = keys.value
),

-- of a row's values the first that is known and stands for one customer; else the first that is known and
-- stands for a few; else the first of all
ranked as (
    select
        *,
        rank() over (
            partition by feed, event_id
            order by customers > $max_customers_per_value, not is_known, customers > 1, position
        ) as choice,
        min(case when customers > $max_customers_per_value then position end)
            over (partition by feed, event_id) as first_refused
    from candidates
    where carried > 1
),

-- one row per row and customer that it may be
chosen as (
    select feed, event_id, order_id, occurred_at, kind, value, written, customers, nth, meant_id,
        coalesce(first_refused <= position, false) as is_value_refused
    from ranked
    where choice = 1
    union all
    select feed, event_id, order_id, occurred_at, kind, value, written, customers, nth, meant_id,
        customers > $max_customers_per_value as is_value_refused
    from candidates
    where carried <= 1
),

-- one row per customer with an id: as it is written in the purchases, else in the identities, else anywhere
spellings as (
    select
        customer_id,
        coalesce(
            min(case when place = 1 then written end),
            min(case when place = 2 then written end),
            min(written)
        ) as written
    from (
        select value as customer_id, written, case when feed = 'purchases' then 1 else 3 end as place
        from match_values
        where kind = 'customer_id'
        union all
        select match_value(customer_id) as customer_id, customer_id as written, 2 as place
        from judged_identities
        where reject_reason is null
    )
    group by customer_id
)

select
    chosen.feed,
    chosen.event_id,
    chosen.nth,
    chosen.order_id,
    chosen.occurred_at,
    chosen.customers,
    case when chosen.customers > 0 then chosen.kind end as matched_by,
    -- the name that several customers share
    case when chosen.customers > 1 then concat('shared ', chosen.kind, ' ', chosen.value) end as shared_as,
    chosen.is_value_refused,
    case
        when chosen.customers between 1 and $max_customers_per_value
            then coalesce(spellings.written, chosen.meant_id)
    end as customer_id
from chosen
left join spellings on spellings.customer_id = chosen.meant_id
