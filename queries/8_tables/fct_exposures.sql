-- fct_exposures: every valid answer, and what it had met before it was given
-- grain: response_id
-- reads: exposures, predictions
-- order: responded_at, response_id
-- column response_id text: the answer's id
-- column customer_id text: who answered, as the purchases write it: the answer's own customer, else its order's
-- column journey_id text: the purchase (order_id) that the answer belongs to; null where it is not linked to one
-- column responded_at timestamp: when the answer was given; the moment of truth, t_ref
-- column period text: the local month (2026-10) or ISO week (2026-W43) of the answer
-- column survey_kind text: relational or transactional, in the export's words
-- column trigger text: what invited the answer
-- column mode text: how it was asked: mail, phone, web
-- column score integer: the answer on its scale
-- column nps_class text: detractor, passive or promoter
-- column is_severe boolean: a detractor at the low end of the scale (0 to 3)
-- column weight float: the survey's own weight; null where it exports none
-- column sent_at timestamp: when the invitation was sent
-- column comment text: the verbatim, as exported
-- column scope text: order (about that order) or customer (about all that the customer met inside the lookback)
-- column link_rule text: order_id, latest_purchase or customer; null where the answer is not linked
-- column unlinked_reason text: why it is not linked
-- column matched_by text: the key by which its customer was found: customer_id, email …; order_id where its order's customer was taken
-- column is_ambiguous boolean: its key is shared by several customers; the latest purchase among theirs decided, if there was one
-- column is_outside_lookback boolean: linked by its order although that lies further back than the lookback
-- column window_starts_at timestamp: from when on events count for this answer
-- column cluster text: whose answers are not independent of each other: the customer, else the order
-- column store_week text: store and week of the purchase, else the cluster: whose answers may share a shock; see `analysis.cluster`
-- column is_counted boolean: counts in NPS: inside the window, of a pooled kind, not repeated
-- column left_out_reason text: why it does not count
-- column in_fit boolean: counts for touchpoints: it counts, and it is linked
-- column amount float: the order's amount
-- column currency text: the currency of the amount
-- column x_days_late float: calendar days between the promise and the delivery; 0 in time, null undelivered
-- column x_days_late_bin text: days late, in bins
-- column x_promise_passed boolean: a parcel was not there although its promise had passed
-- column x_delivery_days float: days from purchase to delivery
-- column x_days_since_purchase float: days from the purchase to the answer
-- column x_days_since_purchase_bin text: days since purchase, in bins
-- column x_days_since_delivery float: days from delivery to the answer
-- column x_days_since_delivery_bin text: days since delivery, in bins
-- column x_first_reply_hours float: longest wait for a first reply, of the tickets replied to, in hours
-- column x_first_reply_hours_bin text: hours to the first reply, in bins
-- column x_requester_wait_hours float: longest time from opening to the solution, or to the answer, in hours
-- column x_full_resolution_hours float: longest time from opening to the solution, in hours
-- column x_full_resolution_hours_bin text: hours to the solution, in bins
-- column x_tickets integer: tickets opened before the answer
-- column x_interactions integer: other contacts before the answer
-- column x_days_to_answer float: days to the answer since the parcel came, or should have come (0 before that), or was ordered where there is no promise
-- column x_days_to_answer_bin text: days to the answer, in bins
-- column x_orders integer: the customer's purchases inside the lookback before the answer
-- column x_orders_bin text: those purchases, in bins
-- column x_earlier_purchases integer: the customer's purchases before those that the answer is about
-- column x_earlier_purchases_bin text: earlier purchases, in bins
-- column x_observable_days float: days that an answer about its customer looks back, at most to the first purchase
-- column x_observable_days_bin text: observable days, in bins
-- column x_other_events integer: tickets and contacts of the customer's other orders inside the lookback
-- column x_other_events_bin text: those events, in bins
-- column x_month text: the local calendar month of the answer
-- column seg_<dimension> text: the answer's value of a segment dimension
-- column tp_<touchpoint> boolean: met before the answer (true), not met (false), neither (null)
-- column tp_<touchpoint>_state text: yes, no, too_early, unknown or not_measured
-- column predicted_detractor_probability float: what the model expects of such an answer, from 0 to 1; null where it takes no part in the fit
-- column baseline_detractor_probability float: the same with none of the touchpoints; fct_attributions divides the difference
-- column source_file text: the object that the answer was read from
-- column source_row integer: the data row inside that object, from 1
-- column as_of timestamp: the end of the last day that the run looks at
select
    exposures.* exclude (_file, _row),
    predictions.predicted_detractor_probability,
    predictions.baseline_detractor_probability,
    exposures._file as source_file,
    exposures._row as source_row,
    $as_of as as_of
from exposures
left join predictions on predictions.response_id = exposures.response_id
