{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'orders', 'by': 'order_id', 'since': 'order_date'}], 'notes': ['buyers']},
) }}
with shipments as (
    select
        order_id,
        min(ship_date) as ship_date
    from {{ ref('int_order_events') }}
    where {{ is_touched('orders', by='order_id') }}
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
where {{ is_touched('orders', by='orders.order_id', since='orders.order_date') }}
