select
    product_id,
    name,
    price,
    inventory
from {{ source('raw', 'products') }}
