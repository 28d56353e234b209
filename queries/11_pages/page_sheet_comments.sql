-- page_sheet_comments: the newest comments of promoters who met what protects, per value of the sheets' dimension
-- grain: segment, touchpoint, response_id
-- reads: sheet_answers, fct_exposures, fct_attributions, rpt_touchpoint_impact
with

met as (
    select
        answers.segment,
        attributions.touchpoint,
        exposures.response_id,
        exposures."cluster",
        exposures.comment,
        exposures.responded_at,
        exposures.nps_class,
        count(*) over (partition by answers.segment, attributions.touchpoint) as comments,
        row_number() over (
            partition by answers.segment, attributions.touchpoint, exposures.nps_class
            order by exposures.responded_at desc, exposures.response_id
        ) as place
    from sheet_answers as answers
    inner join fct_exposures as exposures on exposures.response_id = answers.response_id
    inner join fct_attributions as attributions on attributions.response_id = answers.response_id
    inner join rpt_touchpoint_impact as impact
        on impact.touchpoint = attributions.touchpoint
        and impact.segment_dimension = 'all'
        and impact.verdict = 'protects'
    where answers.in_fit and trim(exposures.comment) <> ''
)

select segment, touchpoint, comments, "cluster", comment, response_id
from met
where nps_class = 'promoter' and place <= 12
order by segment, touchpoint, responded_at desc, response_id
