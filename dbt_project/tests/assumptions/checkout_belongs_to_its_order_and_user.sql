select events.*
from {{ ref('stg_events') }} as events
where
    events.event_type = 'checkout'
    and events.order_id is not null
    and {{ in_affected_days('events.created_at', of='events', parents=['orders']) }}
    and not exists (
        select 1
        from {{ ref('stg_orders') }} as orders
        where
            orders.order_id = events.order_id
            and orders.user_id = events.user_id
    )
