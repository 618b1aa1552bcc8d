with users as (
    select
        user_id,
        sum(products_viewed) as products_viewed,
        sum(products_not_bought) as products_not_bought
    from {{ ref('int_daily_views') }}
    group by user_id
),

counted as (
    select
        coalesce(addresses.state, 'unknown') as state,
        count(*) as users,
        sum(users.products_viewed) as products_viewed,
        sum(users.products_not_bought) as products_not_bought
    from users
    left join {{ ref('dim_users') }} as people
        on users.user_id = people.user_id
    left join {{ ref('dim_addresses') }} as addresses
        on people.address_id = addresses.address_id
    group by coalesce(addresses.state, 'unknown')
)

select
    state,
    cast(users as integer) as users,
    cast(products_viewed as integer) as products_viewed,
    cast(products_not_bought as integer) as products_not_bought,
    {{ share('products_not_bought', 'products_viewed') }} as share_not_bought
from counted
