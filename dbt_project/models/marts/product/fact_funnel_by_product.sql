with products as (
    select
        products.product_id,
        products.name as product_name,
        coalesce(sum(daily.sessions_touched), 0) as sessions_touched,
        coalesce(sum(daily.sessions_added), 0) as sessions_added,
        coalesce(sum(daily.sessions_bought), 0) as sessions_bought
    from {{ ref('dim_products') }} as products
    left join {{ ref('int_daily_products') }} as daily
        on products.product_id = daily.product_id
    group by products.product_id, products.name
),

steps as (
    select
        product_id,
        product_name,
        1 as step_number,
        'viewed' as step,
        sessions_touched as sessions,
        cast(null as bigint) as previous_sessions
    from products
    union all
    select
        product_id,
        product_name,
        2 as step_number,
        'added_to_cart' as step,
        sessions_added as sessions,
        sessions_touched as previous_sessions
    from products
    union all
    select
        product_id,
        product_name,
        3 as step_number,
        'bought' as step,
        sessions_bought as sessions,
        sessions_added as previous_sessions
    from products
)

select
    product_id,
    product_name,
    step,
    cast(step_number as integer) as step_number,
    cast(sessions as integer) as sessions,
    cast(previous_sessions as integer) as previous_sessions,
    {{ share('previous_sessions - sessions', 'previous_sessions') }} as drop_off
from steps
