select orders.*
from {{ ref('stg_orders') }} as orders
where
    orders.order_id is not null
    and {{ in_affected_days('orders.created_at', of='orders') }}
    and not exists (
        select 1
        from {{ ref('stg_events') }} as events
        where
            events.order_id = orders.order_id
            and events.event_type = 'checkout'
            and {{ in_affected_days('events.created_at', of='orders', around=2) }}
    )
