-- Compared for orders whose checkout is there; a missing checkout is another assumption's business.
with checkouts as (
    select distinct
        order_id,
        session_id
    from {{ ref('stg_events') }}
    where
        event_type = 'checkout'
        and order_id is not null
),

carts as (
    select distinct
        checkouts.order_id,
        events.product_id
    from checkouts
    inner join {{ ref('stg_events') }} as events
        on checkouts.session_id = events.session_id
    where events.event_type = 'add_to_cart'
),

items as (
    select distinct
        order_items.order_id,
        order_items.product_id
    from {{ ref('stg_order_items') }} as order_items
    inner join checkouts
        on order_items.order_id = checkouts.order_id
),

known_carts as (
    select
        carts.order_id,
        carts.product_id
    from carts
    inner join {{ ref('stg_orders') }} as orders
        on carts.order_id = orders.order_id
)

select
    coalesce(items.order_id, known_carts.order_id) as order_id,
    coalesce(items.product_id, known_carts.product_id) as product_id,
    case when items.order_id is null then 'in the cart, not ordered' else 'ordered, not in the cart' end
        as difference
from items
full outer join known_carts
    on
        items.order_id = known_carts.order_id
        and items.product_id = known_carts.product_id
where
    items.order_id is null
    or known_carts.order_id is null
