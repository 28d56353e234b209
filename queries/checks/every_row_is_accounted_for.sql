-- every_row_is_accounted_for: rows handed on = superseded + rejected + after the as-of + staged, per feed
-- reads: rpt_data_quality, rejected_rows
with

accounts as (
    select
        source,
        sum(case when measure = 'handed on' then rows else 0 end) as handed_on,
        sum(case when measure = 'superseded' then rows else 0 end) as superseded,
        sum(case when measure = 'rejected' then rows else 0 end) as rejected,
        sum(case when measure = 'after the as-of' then rows else 0 end) as after_as_of,
        sum(case when measure = 'staged' then rows else 0 end) as staged
    from rpt_data_quality
    where section = 'rows'
    group by source
),

rejects as (
    select source, count(*) as rows
    from rejected_rows
    group by source
)

select accounts.*, rejects.rows as rejected_rows
from accounts
left join rejects on rejects.source = accounts.source
where accounts.handed_on <> accounts.superseded + accounts.rejected + accounts.after_as_of + accounts.staged
   or accounts.rejected <> coalesce(rejects.rows, 0)
   or accounts.superseded < 0
