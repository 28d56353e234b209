-- stg_activities: the stage of the journey that each activity belongs to
-- grain: activity
-- reads:
select activity, stage, stage_position
from (
    values
        ('ordered', 'purchase', 1),
        ('delivered', 'delivery', 2),
        ('invoice', 'billing', 3),
        ('billing_error', 'billing', 3),
        ('follow_up', 'care', 4),
        ('visit', 'care', 4),
        ('offer', 'care', 4),
        ('ticket_opened', 'support', 5),
        ('ticket_replied', 'support', 5),
        ('ticket_solved', 'support', 5),
        ('ticket_reopened', 'support', 5),
        ('ticket_transferred', 'support', 5),
        ('call', 'support', 5),
        ('returned', 'returns', 6),
        ('refunded', 'returns', 6),
        ('warranty_claim', 'repair', 7),
        ('repair', 'repair', 7),
        ('answered', 'answer', 8)
) as activities (activity, stage, stage_position)
