select events.*
from {{ arrived('events', failing_by='event_id') }} as events
left join {{ ref('stg_orders') }} as orders
    on
        events.order_id = orders.order_id
        and events.user_id = orders.user_id
where
    events.event_type = 'checkout'
    and events.order_id is not null
    and orders.order_id is null
