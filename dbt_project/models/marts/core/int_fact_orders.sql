with items as (
    select
        order_id,
        sum(quantity) as number_of_items
    from {{ ref('dim_order_items') }}
    group by order_id
)

select
    orders.user_id,
    orders.order_id,
    orders.order_date,
    min(orders.order_date) over (partition by orders.user_id) as first_order_date,
    max(orders.order_date) over (partition by orders.user_id) as last_order_date,
    orders.status,
    orders.order_total,
    orders.promo_id,
    cast(coalesce(items.number_of_items, 0) as integer) as number_of_items
from {{ ref('dim_orders') }} as orders
left join items
    on orders.order_id = items.order_id
