-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_users') }}
-- depends_on: {{ ref('stg_orders') }}
-- depends_on: {{ ref('stg_products') }}
-- depends_on: {{ ref('stg_addresses') }}
-- depends_on: {{ ref('stg_promos') }}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('created_at', of='events') }}",
) }}
select
    event_id,
    session_id,
    user_id,
    page_url,
    created_at,
    event_type,
    order_id,
    product_id
from {{ ref('stg_events') }}
where {{ in_affected_days('created_at', of='events') }}
