select
    orders.order_id,
    orders.order_cost,
    orders.shipping_cost,
    orders.promo_id,
    orders.order_total,
    abs(
        orders.order_total - (orders.order_cost + orders.shipping_cost - coalesce(promos.discount, 0))
    ) as off_by
from {{ ref('stg_orders') }} as orders
left join {{ ref('stg_promos') }} as promos
    on orders.promo_id = promos.promo_id
where
    orders.order_total is null
    or orders.order_total <> orders.order_cost + orders.shipping_cost - coalesce(promos.discount, 0)
