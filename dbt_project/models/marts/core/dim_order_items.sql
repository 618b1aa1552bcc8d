-- A row that points nowhere stops here: the tables it refers to are checked first.
-- depends_on: {{ ref('stg_orders') }}
-- depends_on: {{ ref('stg_products') }}
select
    order_id,
    product_id,
    quantity
from {{ ref('stg_order_items') }}
