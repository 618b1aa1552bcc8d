with orders as (
    select
        order_id,
        order_cost,
        created_at
    from {{ ref('stg_orders') }}
    where {{ in_affected_days('created_at', of='order_items', parents=['products']) }}
),

items as (
    select
        order_items.order_id,
        sum(order_items.quantity * products.price) as items_cost
    from {{ ref('stg_order_items') }} as order_items
    inner join {{ ref('stg_products') }} as products
        on order_items.product_id = products.product_id
    where order_items.order_id in (select orders.order_id from orders)
    group by order_items.order_id
)

select
    orders.order_id,
    orders.created_at,
    orders.order_cost,
    coalesce(items.items_cost, 0) as items_cost
from orders
left join items
    on orders.order_id = items.order_id
where
    orders.order_cost is null
    or orders.order_cost <> coalesce(items.items_cost, 0)
