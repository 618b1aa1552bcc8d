{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('order_date', of='orders') }}",
) }}
with shipments as (
    select
        order_id,
        min(created_at) as ship_date
    from {{ ref('dim_events') }}
    where
        event_type = 'package_shipped'
        and order_id is not null
        and {{ in_affected_days('created_at', of='orders', around=2) }}
    group by order_id
)

select
    orders.user_id,
    orders.order_id,
    orders.address_id,
    orders.order_date,
    orders.order_cost,
    orders.shipping_cost,
    orders.order_total,
    shipments.ship_date,
    orders.delivered_at as order_delivered_date,
    orders.estimated_delivery_at,
    orders.status
from {{ ref('dim_orders') }} as orders
left join shipments
    on orders.order_id = shipments.order_id
where {{ in_affected_days('orders.order_date', of='orders') }}
