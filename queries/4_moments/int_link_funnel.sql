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

-- one row per kind of link that occurs
counts as (
    select
        links.feed,
        links.link_rule,
        links.unlinked_reason,
        links.matched_by,
        links.is_outside_lookback,
        links.is_ambiguous,
        links.is_value_refused,
        links.customer_id is not null as has_customer,
        answerers.customer_id is not null as has_answered,
        count(*) as rows
    from int_links as links
    left join answerers on answerers.customer_id = links.customer_id
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9
),

-- one row per kind of link and thing counted; place is the order in which a person reads them
lines as (
    select
        counts.feed,
        places.place,
        case
            when places.place in (6, 7, 8, 9) then 'customers'
            when places.place = 10 then 'surveys'
            when $has_purchases then 'purchases'
            else 'customers'
        end as linked_to,
        case
            when counts.feed = 'purchases' then
                case
                    when places.place = 6 and counts.has_customer then concat('customer by ', counts.matched_by)
                    when places.place = 7 and not counts.has_customer then 'without a customer'
                    when places.place = 8 and counts.is_ambiguous then 'value shared by several customers'
                    when places.place = 9 and counts.is_value_refused
                        then 'a value not used: shared by too many customers'
                end
            when places.place = 1 then 'with any key'
            when places.place = 2 and counts.link_rule = 'order_id' then 'order_id'
            when places.place = 2 and counts.link_rule is not null
                then concat(counts.link_rule, ' by ', counts.matched_by)
            when places.place = 3 then counts.unlinked_reason
            when places.place = 4 and counts.is_outside_lookback then 'linked by order outside the lookback'
            when places.place = 5 and counts.is_ambiguous and counts.link_rule = 'latest_purchase'
                then 'linked to the latest purchase of several customers who share a value'
            when places.place = 9 and counts.is_value_refused
                then 'a value not used: shared by too many customers'
            when places.place = 10 and counts.feed in ('tickets', 'interactions') then 'customer has answered'
        end as measure,
        case
            when places.place = 1 and counts.unlinked_reason = 'neither order nor customer' then 0
            when places.place = 10 and not counts.has_answered then 0
            else counts.rows
        end as rows
    from counts
    cross join (values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)) as places (place)
),

totals as (
    select feed, sum(rows) as rows
    from counts
    group by feed
)

select
    lines.feed,
    lines.linked_to,
    lines.place,
    -- how a row is linked, or why not; null for what is counted beside that
    case when lines.place in (2, 6) then true when lines.place in (3, 7) then false end as is_linked,
    lines.measure,
    cast(sum(lines.rows) as bigint) as rows,
    cast(max(totals.rows) as bigint) as of_rows
from lines
inner join totals on totals.feed = lines.feed
where lines.measure is not null
group by lines.feed, lines.linked_to, lines.place, lines.measure

union all

select
    'identities',
    'customers',
    11,
    null,
    'of a kind that is not matched by',
    count(case when match_kinds.kind is null then 1 end),
    count(*)
from stg_identities as identities
left join match_kinds on match_kinds.kind = lower(identities.kind)
having count(case when match_kinds.kind is null then 1 end) > 0
