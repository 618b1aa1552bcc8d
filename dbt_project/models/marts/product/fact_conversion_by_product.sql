with counted as (
    select
        products.product_id,
        products.name as product_name,
        count(case when session_products.is_viewed then 1 end) as sessions_viewed,
        count(case when session_products.is_bought then 1 end) as sessions_bought
    from {{ ref('dim_products') }} as products
    left join {{ ref('int_session_products') }} as session_products
        on products.product_id = session_products.product_id
    group by products.product_id, products.name
)

select
    product_id,
    product_name,
    cast(sessions_viewed as integer) as sessions_viewed,
    cast(sessions_bought as integer) as sessions_bought,
    {{ share('sessions_bought', 'sessions_viewed') }} as conversion_rate
from counted
