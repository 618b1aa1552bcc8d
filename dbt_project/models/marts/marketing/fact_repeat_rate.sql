with buyers as (
    select
        user_id,
        count(*) as number_of_orders
    from {{ ref('dim_orders') }}
    group by user_id
),

counted as (
    select
        cast(count(*) as integer) as users_purchased,
        cast(count(case when number_of_orders >= 2 then 1 end) as integer) as users_repeat
    from buyers
)

select
    users_purchased,
    users_repeat,
    {{ share('users_repeat', 'users_purchased') }} as repeat_rate
from counted
