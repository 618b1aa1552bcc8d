-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_users') }}
-- depends_on: {{ ref('stg_addresses') }}
-- depends_on: {{ ref('stg_promos') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'key': ['order_id'], 'since': 'order_date', 'notes': 'orders'},
) }}
{{ loaded_rows(
    'orders',
    columns={
        'order_id': 'order_id',
        'user_id': 'user_id',
        'promo_id': 'promo_id',
        'address_id': 'address_id',
        'order_date': 'created_at',
        'order_cost': 'order_cost',
        'shipping_cost': 'shipping_cost',
        'order_total': 'order_total',
        'tracking_id': 'tracking_id',
        'shipping_service': 'shipping_service',
        'estimated_delivery_at': 'estimated_delivery_at',
        'delivered_at': 'delivered_at',
        'status': 'status',
    },
    moment='created_at',
) }}
