-- each_moment_stands_once: every linked answer has one moment of truth, every journey one that speaks for it
-- reads: int_moments, int_links, stg_purchases
with

doubled as (
    select moment_id as key
    from int_moments
    group by moment_id
    having count(*) > 1
),

unanswered as (
    select links.event_id as key
    from int_links as links
    where links.feed = 'surveys'
      and links.link_rule is not null
      and not exists (
          select 1 from int_moments as moments where moments.moment_id = 'answer ' || links.event_id
      )
),

speakers as (
    select journey_id, count(*) as moments
    from int_moments
    where speaks_for_journey
    group by journey_id
),

unspoken as (
    select coalesce(purchases.order_id, speakers.journey_id) as key
    from stg_purchases as purchases
    full join speakers on speakers.journey_id = purchases.order_id
    where (speakers.moments is distinct from 1)
       or purchases.order_id is null
)

select 'doubled' as problem, key from doubled
union all
select 'answer without a moment', key from unanswered
union all
select 'journey without one moment', key from unspoken
