{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_users(ref('dim_orders'), 'order_date', of='order_items') }}",
    full_refresh=var('only_days') or none,
    tags=['by_user'],
) }}
with orders as (
    select placed.*
    from {{ ref('dim_orders') }} as placed
    where {{ is_affected_user('placed.user_id') }}
),

items as (
    select
        order_id,
        sum(quantity) as number_of_items
    from {{ ref('dim_order_items') }}
    where order_id in (select order_id from orders)
    group by order_id
)

select
    orders.user_id,
    orders.order_id,
    orders.order_date,
    min(orders.order_date) over (partition by orders.user_id) as first_order_date,
    max(orders.order_date) over (partition by orders.user_id) as last_order_date,
    orders.status,
    orders.order_total,
    orders.promo_id,
    cast(coalesce(items.number_of_items, 0) as integer) as number_of_items
from orders
left join items
    on orders.order_id = items.order_id
