select orders.*
from {{ ref('stg_orders') }} as orders
where
    orders.order_id is not null
    and {{ in_question('order_id', ['orders', 'events'], of='orders') }}
    and not exists (
        select 1
        from {{ ref('stg_events') }} as events
        where
            events.order_id = orders.order_id
            and events.event_type = 'checkout'
    )
