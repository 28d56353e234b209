-- judged_identities: every identity handed on, with the reason why it is rejected, where it is
-- grain: a row of unique_identities
-- reads: unique_identities
select
    *,
    -- whom a value belongs to has no time of its own
    false as is_after_as_of,
    case
        when _problem is not null then _problem
        when customer_id is null then 'missing customer_id'
        when kind is null then 'missing kind'
        when value is null then 'missing value'
        when is_conflicting then 'conflicting duplicate'
    end as reject_reason
from unique_identities
