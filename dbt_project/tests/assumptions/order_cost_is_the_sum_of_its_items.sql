with order_items as (
    select
        order_id,
        product_id,
        quantity
    from {{ ref('stg_order_items') }}
    where {{ in_question('order_id', ['orders', 'order_items'], parents=['products']) }}
),

items as (
    select
        order_items.order_id,
        sum(order_items.quantity * products.price) as items_cost
    from order_items
    inner join {{ ref('stg_products') }} as products
        on order_items.product_id = products.product_id
    group by order_items.order_id
),

orders as (
    select
        order_id,
        order_cost
    from {{ ref('stg_orders') }}
    where {{ in_question('order_id', ['orders', 'order_items'], parents=['products']) }}
)

select
    orders.order_id,
    orders.order_cost,
    coalesce(items.items_cost, 0) as items_cost
from orders
left join items
    on orders.order_id = items.order_id
where
    orders.order_cost is null
    or orders.order_cost <> coalesce(items.items_cost, 0)
