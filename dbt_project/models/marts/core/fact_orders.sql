-- depends_on: {{ ref('dim_orders') }}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_users(ref('int_fact_orders'), 'order_date', of='order_items') }}",
    full_refresh=var('only_days') or none,
    tags=['by_user'],
) }}
-- Orders of one user may share a timestamp, so the dates alone would flag several: rank instead.
with ranked as (
    select
        orders.user_id,
        orders.order_id,
        orders.order_date,
        orders.order_total,
        orders.promo_id,
        orders.number_of_items,
        row_number() over (partition by orders.user_id order by orders.order_date, orders.order_id) as nth_order,
        count(*) over (partition by orders.user_id) as number_of_orders
    from {{ ref('int_fact_orders') }} as orders
    where {{ is_affected_user('orders.user_id') }}
)

select
    user_id,
    order_id,
    order_date,
    case when nth_order = 1 then 'Y' else 'N' end as is_first_order,
    case when nth_order = number_of_orders then 'Y' else 'N' end as is_last_order,
    order_total as amount,
    promo_id,
    number_of_items
from ranked
