-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_orders') }}
-- depends_on: {{ ref('stg_products') }}
-- depends_on: {{ ref('stg_users') }}
-- depends_on: {{ ref('stg_addresses') }}
-- depends_on: {{ ref('stg_promos') }}
select
    order_id,
    product_id,
    quantity
from {{ ref('stg_order_items') }}
