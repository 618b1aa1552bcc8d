with shipments as (
    select distinct order_id
    from {{ ref('stg_events') }}
    where
        event_type = 'package_shipped'
        and {{ in_affected_days('created_at', of='orders', around=2) }}
),

facts as (
    select
        orders.order_id,
        orders.created_at,
        orders.status,
        orders.delivered_at,
        orders.tracking_id,
        shipments.order_id is not null as is_shipped
    from {{ ref('stg_orders') }} as orders
    left join shipments
        on orders.order_id = shipments.order_id
    where {{ in_affected_days('orders.created_at', of='orders') }}
)

select *
from facts
where
    (status = 'preparing' and (tracking_id is not null or is_shipped or delivered_at is not null))
    or (status = 'shipped' and (not is_shipped or delivered_at is not null))
    or (status = 'delivered' and (not is_shipped or delivered_at is null))
