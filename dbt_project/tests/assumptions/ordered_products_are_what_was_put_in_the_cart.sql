-- Compared by session, as one may hold several checkouts, and only where all of them have their order: a missing
-- order or checkout is another assumption's business.
with checkouts as (
    select
        user_id,
        session_id,
        order_id
    from {{ ref('stg_events') }}
    where
        event_type = 'checkout'
        and user_id is not null
        and session_id is not null
        and {{ in_question('session_id', ['events'], since='created_at') }}
),

without_order as (
    select
        candidate.user_id,
        candidate.session_id
    from checkouts as candidate
    where {{ is_missing_from(['order_id'], ref('stg_orders'), ['order_id']) }}
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
        and {{ in_question('session_id', ['events'], since='created_at') }}
        and (user_id, session_id) in (
            select
                checkouts.user_id,
                checkouts.session_id
            from checkouts
        )
    union all
    select
        checkouts.user_id,
        checkouts.session_id,
        order_items.product_id,
        1 as is_ordered
    from {{ ref('stg_order_items') }} as order_items
    inner join checkouts
        on order_items.order_id = checkouts.order_id
)

select
    user_id,
    session_id,
    product_id,
    case when min(is_ordered) = 1 then 'ordered, not in the cart' else 'in the cart, not ordered' end as difference
from products
where (user_id, session_id) not in (
    select
        without_order.user_id,
        without_order.session_id
    from without_order
)
group by user_id, session_id, product_id
having
    min(is_ordered) = max(is_ordered)
    or product_id is null
