{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('day', of='items') }}",
) }}
-- What was bought is in the items of the order that a view led to.
with viewed as (
    select
        page_views.session_date,
        page_views.user_id,
        page_views.session_id,
        page_views.product_id,
        max(case when items.order_id is not null then 1 else 0 end) as is_bought
    from {{ ref('int_page_views') }} as page_views
    left join {{ ref('dim_order_items') }} as items
        on
            page_views.order_id = items.order_id
            and page_views.product_id = items.product_id
    where
        page_views.event_type = 'page_view'
        and page_views.product_id is not null
        and {{ in_affected_days('page_views.session_date', of='items') }}
    group by page_views.session_date, page_views.user_id, page_views.session_id, page_views.product_id
)

select
    session_date as day,
    user_id,
    cast(count(*) as integer) as products_viewed,
    cast(count(case when is_bought = 0 then 1 end) as integer) as products_not_bought
from viewed
group by session_date, user_id
