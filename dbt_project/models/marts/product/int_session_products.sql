-- One pass that conversion and funnel by product both read.
with browsed as (
    select
        session_id,
        product_id,
        max(case when event_type = 'page_view' then 1 else 0 end) as viewed,
        max(case when event_type = 'add_to_cart' then 1 else 0 end) as added,
        0 as bought
    from {{ ref('dim_events') }}
    where
        event_type in ('page_view', 'add_to_cart')
        and product_id is not null
    group by session_id, product_id
),

bought as (
    select distinct
        events.session_id,
        items.product_id,
        0 as viewed,
        0 as added,
        1 as bought
    from {{ ref('dim_events') }} as events
    inner join {{ ref('dim_order_items') }} as items
        on events.order_id = items.order_id
    where events.event_type = 'checkout'
),

touched as (
    select
        session_id,
        product_id,
        viewed,
        added,
        bought
    from browsed
    union all
    select
        session_id,
        product_id,
        viewed,
        added,
        bought
    from bought
)

select
    session_id,
    product_id,
    max(viewed) = 1 as is_viewed,
    max(added) = 1 as is_added,
    max(bought) = 1 as is_bought
from touched
group by session_id, product_id
