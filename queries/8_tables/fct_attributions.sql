-- fct_attributions: each touchpoint that an answer had met, and its share of that answer's predicted detractor probability
-- grain: response_id, touchpoint
-- reads: touchpoints, attributions
-- order: response_id, touchpoint_position
-- column response_id text: the answer
-- column touchpoint text: the touchpoint that it had met
-- column touchpoint_position integer: its place in the catalogue, from 1
-- column first_at timestamp: when it was met first; null for an absence, such as a reply that did not come
-- column occurrences integer: how many events of this kind there were
-- column contribution float: what it adds to the predicted detractor probability, from 0 to 1; over an answer's touchpoints they sum to its prediction minus its baseline: a division of what was met, not what removing one would do
-- column as_of timestamp: the end of the last day that the run looks at
select
    attributions.response_id,
    attributions.touchpoint,
    touchpoints.position as touchpoint_position,
    attributions.first_at,
    attributions.occurrences,
    attributions.contribution,
    $as_of as as_of
from attributions
inner join touchpoints on touchpoints.id = attributions.touchpoint
