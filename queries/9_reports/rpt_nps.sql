-- rpt_nps: the Net Promoter Score of all answers that count, per period and for the window
-- grain: period, segment_dimension, segment
-- reads: answer_segments
-- order: segment_dimension, segment, period
-- steps: clusters, estimated
-- column period text: local month (2026-10) or ISO week (2026-W43), or window
-- column segment_dimension text: the dimension, or all
-- column segment text: its value; (unknown) where there is none, (other) beyond the levels shown
-- column responses integer: answers that count, linked or not
-- column promoters integer: of them
-- column passives integer: of them
-- column detractors integer: of them
-- column severe integer: detractors at the low end of the scale
-- column nps float: 100 × (promoters − detractors) / responses, in points
-- column nps_low float: adjusted-Wald 95% interval with errors clustered by customer, in points
-- column nps_high float: the interval's other end
-- column nps_change float: points gained since the last period that has answers
-- column change_p_value float: two-sided, for no change; customers who answered in both periods are accounted for
-- column nps_weighted float: NPS by the survey's own weights; null where it exports none
-- column as_of timestamp: the end of the last day that the run looks at
with

-- one row per answer, segment dimension and period; each answer also stands in the window
answers as (
    select segment_dimension, segment, period, "cluster", nps_class, is_severe, weight
    from answer_segments
    union all
    select segment_dimension, segment, 'window', "cluster", nps_class, is_severe, weight
    from answer_segments
),

-- one row per cluster (customer), segment and period
clusters as (
    select
        segment_dimension,
        segment,
        period,
        "cluster",
        count(*) as answers,
        count(case when nps_class = 'promoter' then 1 end) as promoters,
        count(case when nps_class = 'detractor' then 1 end) as detractors,
        count(case when is_severe then 1 end) as severe,
        count(weight) as weighted_answers,
        -- decimals add up alike in any order
        sum(cast(coalesce(weight, 1) as decimal(20, 6))) as weight,
        sum(cast(coalesce(weight, 1) as decimal(20, 6))
            * case nps_class when 'promoter' then 1 when 'detractor' then -1 else 0 end) as weighted_net
    from answers
    group by segment_dimension, segment, period, "cluster"
),

-- one row per segment and period; the last three sums and the customers are what the clustered variance needs
periods as (
    select
        segment_dimension,
        segment,
        period,
        sum(answers) as responses,
        sum(promoters) as promoters,
        sum(answers) - sum(promoters) - sum(detractors) as passives,
        sum(detractors) as detractors,
        sum(severe) as severe,
        sum(weighted_answers) as weighted_answers,
        sum(weight) as weight,
        sum(weighted_net) as weighted_net,
        sum((promoters - detractors) * (promoters - detractors)) as net_net,
        sum((promoters - detractors) * answers) as net_answers,
        sum(answers * answers) as answers_answers,
        count(*) as customers
    from clusters
    group by segment_dimension, segment, period
),

consecutive as (
    select
        segment_dimension,
        segment,
        period,
        lag(period) over (partition by segment_dimension, segment order by period) as previous_period
    from periods
    where period <> 'window'
),

-- one row per segment and period that shares customers with the one before: products over shared clusters
shared as (
    select
        consecutive.segment_dimension,
        consecutive.segment,
        consecutive.period,
        sum((now.promoters - now.detractors) * (before.promoters - before.detractors)) as net_net,
        sum((now.promoters - now.detractors) * before.answers) as net_answers,
        sum(now.answers * (before.promoters - before.detractors)) as answers_net,
        sum(now.answers * before.answers) as answers_answers
    from consecutive
    inner join clusters as now
        on now.segment_dimension = consecutive.segment_dimension
        and now.segment = consecutive.segment
        and now.period = consecutive.period
    inner join clusters as before
        on before.segment_dimension = consecutive.segment_dimension
        and before.segment = consecutive.segment
        and before.period = consecutive.previous_period
        and before."cluster" = now."cluster"
    group by consecutive.segment_dimension, consecutive.segment, consecutive.period
),

estimated as (
    select
        periods.*,
        consecutive.previous_period,
        nps_interval(
            periods.promoters, periods.passives, periods.detractors,
            periods.net_net, periods.net_answers, periods.answers_answers, periods.customers
        ) as estimate
    from periods
    left join consecutive
        on consecutive.segment_dimension = periods.segment_dimension
        and consecutive.segment = periods.segment
        and consecutive.period = periods.period
)

select
    estimated.period,
    estimated.segment_dimension,
    estimated.segment,
    estimated.responses,
    estimated.promoters,
    estimated.passives,
    estimated.detractors,
    estimated.severe,
    get_field(estimated.estimate, 'nps') as nps,
    get_field(estimated.estimate, 'low') as nps_low,
    get_field(estimated.estimate, 'high') as nps_high,
    get_field(estimated.estimate, 'nps') - get_field(before.estimate, 'nps') as nps_change,
    case
        when before.period is not null then nps_change_p_value(
            estimated.promoters, estimated.passives, estimated.detractors,
            estimated.net_net, estimated.net_answers, estimated.answers_answers, estimated.customers,
            before.promoters, before.passives, before.detractors,
            before.net_net, before.net_answers, before.answers_answers, before.customers,
            coalesce(shared.net_net, 0), coalesce(shared.net_answers, 0),
            coalesce(shared.answers_net, 0), coalesce(shared.answers_answers, 0)
        )
    end as change_p_value,
    case
        when estimated.weighted_answers > 0 and estimated.weight > 0
            then 100 * cast(estimated.weighted_net as double) / cast(estimated.weight as double)
    end as nps_weighted,
    $as_of as as_of
from estimated
left join estimated as before
    on before.segment_dimension = estimated.segment_dimension
    and before.segment = estimated.segment
    and before.period = estimated.previous_period
left join shared
    on shared.segment_dimension = estimated.segment_dimension
    and shared.segment = estimated.segment
    and shared.period = estimated.period
