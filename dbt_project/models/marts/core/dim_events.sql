-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_users') }}
-- depends_on: {{ ref('stg_orders') }}
-- depends_on: {{ ref('stg_products') }}
-- depends_on: {{ ref('stg_addresses') }}
-- depends_on: {{ ref('stg_promos') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'key': ['event_id'], 'since': 'created_at', 'notes': 'events'},
) }}
{{ loaded_rows(
    'events',
    columns={
        'event_id': 'event_id',
        'session_id': 'session_id',
        'user_id': 'user_id',
        'page_url': 'page_url',
        'created_at': 'created_at',
        'event_type': 'event_type',
        'order_id': 'order_id',
        'product_id': 'product_id',
    },
    moment='created_at',
) }}
