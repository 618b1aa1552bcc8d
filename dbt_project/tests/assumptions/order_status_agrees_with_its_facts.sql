with shipments as (
    select distinct order_id
    from {{ ref('stg_events') }}
    where
        event_type = 'package_shipped'
        and {{ in_question('order_id', ['orders', 'events'], since='created_at') }}
),

orders as (
    select
        order_id,
        status,
        delivered_at,
        tracking_id
    from {{ ref('stg_orders') }}
    where {{ in_question('order_id', ['orders', 'events']) }}
),

facts as (
    select
        orders.order_id,
        orders.status,
        orders.delivered_at,
        orders.tracking_id,
        shipments.order_id as shipped_order_id
    from orders
    left join shipments
        on orders.order_id = shipments.order_id
)

select *
from facts
where
    (
        status = 'preparing'
        and (tracking_id is not null or shipped_order_id is not null or delivered_at is not null)
    )
    or (status = 'shipped' and (shipped_order_id is null or delivered_at is not null))
    or (status = 'delivered' and (shipped_order_id is null or delivered_at is null))
