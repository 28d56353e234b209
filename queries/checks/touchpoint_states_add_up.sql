-- touchpoint_states_add_up: each linked answer is in exactly one state of each touchpoint
-- reads: rpt_touchpoint_impact
select segment_dimension, segment, touchpoint
from rpt_touchpoint_impact
where responses <> exposed_responses + unexposed_responses + other_state_responses + unknown_responses
    + too_early_responses + not_measured_responses
