-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_orders') }}
-- depends_on: {{ ref('stg_products') }}
-- depends_on: {{ ref('stg_users') }}
-- depends_on: {{ ref('stg_addresses') }}
-- depends_on: {{ ref('stg_promos') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'key': ['order_id', 'product_id'], 'notes': 'order_items'},
) }}
{{ loaded_rows(
    'order_items',
    columns={
        'order_id': 'order_id',
        'product_id': 'product_id',
        'quantity': 'quantity',
    },
) }}
