select
    promo_id,
    discount,
    status
from {{ ref('stg_promos') }}
