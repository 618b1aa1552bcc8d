-- Compared by session, as one may hold several checkouts, and only where all of them have their order: a missing
-- order or checkout is another assumption's business.
with checkouts as (
    select
        events.user_id,
        events.session_id,
        orders.order_id
    from {{ ref('stg_events') }} as events
    left join {{ ref('stg_orders') }} as orders
        on events.order_id = orders.order_id
    where
        events.event_type = 'checkout'
        and {{ in_question('session_id', ['events'], since='created_at', of='events') }}
),

sessions as (
    select
        user_id,
        session_id
    from checkouts
    group by user_id, session_id
    having count(*) = count(order_id)
),

carts as (
    select distinct
        events.user_id,
        events.session_id,
        events.product_id
    from {{ ref('stg_events') }} as events
    inner join sessions
        on
            events.user_id = sessions.user_id
            and events.session_id = sessions.session_id
    where
        events.event_type = 'add_to_cart'
        and {{ in_question('session_id', ['events'], since='created_at', of='events') }}
),

items as (
    select distinct
        checkouts.user_id,
        checkouts.session_id,
        order_items.product_id
    from {{ ref('stg_order_items') }} as order_items
    inner join checkouts
        on order_items.order_id = checkouts.order_id
    inner join sessions
        on
            checkouts.user_id = sessions.user_id
            and checkouts.session_id = sessions.session_id
)

select
    coalesce(items.user_id, carts.user_id) as user_id,
    coalesce(items.session_id, carts.session_id) as session_id,
    coalesce(items.product_id, carts.product_id) as product_id,
    case when items.session_id is null then 'in the cart, not ordered' else 'ordered, not in the cart' end
        as difference
from items
full outer join carts
    on
        items.user_id = carts.user_id
        and items.session_id = carts.session_id
        and items.product_id = carts.product_id
where
    items.session_id is null
    or carts.session_id is null
