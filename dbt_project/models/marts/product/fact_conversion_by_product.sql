with counted as (
    select
        products.product_id,
        products.name as product_name,
        coalesce(sum(daily.sessions_viewed), 0) as sessions_viewed,
        coalesce(sum(daily.sessions_bought), 0) as sessions_bought
    from {{ ref('dim_products') }} as products
    left join {{ ref('int_daily_products') }} as daily
        on products.product_id = daily.product_id
    group by products.product_id, products.name
)

select
    product_id,
    product_name,
    cast(sessions_viewed as integer) as sessions_viewed,
    cast(sessions_bought as integer) as sessions_bought,
    {{ share('sessions_bought', 'sessions_viewed') }} as conversion_rate
from counted
