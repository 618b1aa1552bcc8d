{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('day', of='items') }}",
) }}
-- One pass that conversion and funnel by product both read. What was bought is in the items of the session's order.
-- 1 stands for viewed, 2 for added and 4 for bought: one number to combine costs less than three.
with touches as (
    select
        session_date,
        user_id,
        session_id,
        product_id,
        case when event_type = 'page_view' then 1 else 2 end as kinds
    from {{ ref('int_page_views') }}
    where
        event_type in ('page_view', 'add_to_cart')
        and product_id is not null
        and {{ in_affected_days('session_date', of='items') }}
    union all
    select
        checkouts.session_date,
        checkouts.user_id,
        checkouts.session_id,
        items.product_id,
        4 as kinds
    from {{ ref('int_page_views') }} as checkouts
    inner join {{ ref('dim_order_items') }} as items
        on checkouts.order_id = items.order_id
    where
        checkouts.event_type = 'checkout'
        and {{ in_affected_days('checkouts.session_date', of='items') }}
),

session_products as (
    select
        session_date,
        product_id,
        bit_or(kinds) as kinds
    from touches
    group by session_date, user_id, session_id, product_id
)

select
    session_date as day,
    product_id,
    cast(count(*) as integer) as sessions_touched,
    cast(count(case when kinds in (1, 3, 5, 7) then 1 end) as integer) as sessions_viewed,
    cast(count(case when kinds >= 2 then 1 end) as integer) as sessions_added,
    cast(count(case when kinds >= 4 then 1 end) as integer) as sessions_bought
from session_products
group by session_date, product_id
