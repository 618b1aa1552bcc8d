-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_users') }}
-- depends_on: {{ ref('stg_addresses') }}
-- depends_on: {{ ref('stg_promos') }}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('order_date', of='order_rows') }}",
) }}
select
    order_id,
    user_id,
    promo_id,
    address_id,
    created_at as order_date,
    order_cost,
    shipping_cost,
    order_total,
    tracking_id,
    shipping_service,
    estimated_delivery_at,
    delivered_at,
    status
from {{ ref('stg_orders') }}
where {{ in_affected_days('created_at', of='order_rows') }}
