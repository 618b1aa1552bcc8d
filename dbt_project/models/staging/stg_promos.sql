select
    promo_id,
    discount,
    status
from {{ source('raw', 'promos') }}
