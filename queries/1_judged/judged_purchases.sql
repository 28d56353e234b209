-- judged_purchases: every purchase handed on, with the reason why it is rejected, where it is
-- grain: a row of unique_purchases
-- reads: unique_purchases
select
    *,
    (ordered_at > $as_of) is true as is_after_as_of,
    case
        when _problem is not null then _problem
        when ordered_at > $as_of then null
        when order_id is null then 'missing order_id'
        when is_conflicting then 'conflicting duplicate'
        when ordered_at_note in ('unreadable', 'implausible') then concat(ordered_at_note, ' ordered_at')
        when ordered_at is null then 'missing ordered_at'
    end as reject_reason
from unique_purchases
