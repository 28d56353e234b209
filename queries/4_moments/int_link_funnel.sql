-- int_link_funnel: how many rows of a feed are linked to another one, by which key, and why the others are not
-- grain: feed, linked_to, measure
-- reads: int_links, stg_identities, match_kinds
-- kept: yes
with

-- one row per customer who has answered
answerers as (
    select distinct customer_id
    from int_links
    where feed = 'surveys'
      and customer_id is not null
),

-- one row per row of a feed with a customer or an order
links as (
    select
        links.*,
        case when $has_purchases then 'purchases' else 'customers' end as linked_to,
        answerers.customer_id is not null as has_answered
    from int_links as links
    left join answerers on answerers.customer_id = links.customer_id
),

totals as (
    select feed, count(*) as rows
    from links
    group by feed
),

-- one row per feed and thing counted; place is the order in which a person reads them
lines as (
    select feed, linked_to, 1 as place, false as is_linked, 'with any key' as measure,
        count(case when unlinked_reason is distinct from 'neither order nor customer' then 1 end) as rows
    from links
    where feed <> 'purchases'
    group by feed, linked_to
    union all
    select feed, linked_to, 2, true,
        case link_rule when 'order_id' then link_rule else concat(link_rule, ' by ', matched_by) end,
        count(*)
    from links
    where feed <> 'purchases'
      and link_rule is not null
    group by 1, 2, 5
    union all
    select feed, linked_to, 3, false, unlinked_reason, count(*)
    from links
    where unlinked_reason is not null
    group by feed, linked_to, unlinked_reason
    union all
    select feed, linked_to, 4, false, 'linked by order outside the lookback', count(*)
    from links
    where is_outside_lookback
    group by feed, linked_to
    union all
    select feed, linked_to, 4, false, 'linked to the latest purchase of several customers who share a value',
        count(*)
    from links
    where is_ambiguous
      and link_rule = 'latest_purchase'
    group by feed, linked_to
    union all
    select feed, 'customers', 5, false, concat('customer by ', matched_by), count(*)
    from links
    where feed = 'purchases'
      and customer_id is not null
    group by 1, 2, 5
    union all
    select feed, 'customers', 6, false, 'without a customer', count(*)
    from links
    where feed = 'purchases'
      and customer_id is null
    group by feed
    union all
    select feed, 'customers', 7, false, 'value shared by several customers', count(*)
    from links
    where feed = 'purchases'
      and is_ambiguous
    group by feed
    union all
    select feed, 'customers', 8, false, 'a value not used: shared by too many customers', count(*)
    from links
    where is_value_refused
    group by feed
    union all
    select feed, 'surveys', 9, false, 'customer has answered', count(case when has_answered then 1 end)
    from links
    where feed in ('tickets', 'interactions')
    group by feed
    union all
    select 'identities', 'customers', 10, false, 'of a kind that is not matched by', count(*)
    from stg_identities as identities
    where not exists (
        select 1 from match_kinds where match_kinds.kind = lower(identities.kind)
    )
)

select
    lines.feed,
    lines.linked_to,
    lines.place,
    lines.is_linked,
    lines.measure,
    lines.rows,
    coalesce(totals.rows, identities.rows) as of_rows
from lines
left join totals on totals.feed = lines.feed
cross join (select count(*) as rows from stg_identities) as identities
where lines.feed <> 'identities' or lines.rows > 0
