-- Compared by session, as one may hold several checkouts, and only where all of them have their order: a missing
-- order or checkout is another assumption's business.
with checkouts as (
    select
        user_id,
        session_id,
        order_id,
        created_at
    from {{ ref('stg_events') }}
    where
        event_type = 'checkout'
        and user_id is not null
        and session_id is not null
        and {{ in_affected_days('created_at', of='items', around=1) }}
),

sessions as (
    select
        checkouts.user_id,
        checkouts.session_id,
        min(checkouts.created_at) as created_at
    from checkouts
    left join {{ ref('stg_orders') }} as orders
        on checkouts.order_id = orders.order_id
    group by checkouts.user_id, checkouts.session_id
    having
        count(case when orders.order_id is null then 1 end) = 0
        and count(case when {{ in_affected_days('checkouts.created_at', of='items') }} then 1 end) > 0
),

products as (
    select
        user_id,
        session_id,
        product_id,
        0 as is_ordered
    from {{ ref('stg_events') }}
    where
        event_type = 'add_to_cart'
        and {{ in_affected_days('created_at', of='items', around=1) }}
    union all
    select
        checkouts.user_id,
        checkouts.session_id,
        order_items.product_id,
        1 as is_ordered
    from checkouts
    inner join {{ ref('stg_order_items') }} as order_items
        on checkouts.order_id = order_items.order_id
)

select
    sessions.user_id,
    sessions.session_id,
    sessions.created_at,
    products.product_id,
    case when min(products.is_ordered) = 1 then 'ordered, not in the cart' else 'in the cart, not ordered' end
        as difference
from sessions
inner join products
    on
        sessions.user_id = products.user_id
        and sessions.session_id = products.session_id
group by sessions.user_id, sessions.session_id, sessions.created_at, products.product_id
having
    min(products.is_ordered) = max(products.is_ordered)
    or products.product_id is null
