-- A user's first order is also the last one unless there are two.
with counted as (
    select
        cast(date_trunc('month', order_date) as date) as first_order_month,
        cast(count(*) as integer) as users_purchased,
        cast(count(case when is_last_order = 'N' then 1 end) as integer) as users_repeat
    from {{ ref('fact_orders') }}
    where is_first_order = 'Y'
    group by cast(date_trunc('month', order_date) as date)
)

select
    first_order_month,
    users_purchased,
    users_repeat,
    {{ share('users_repeat', 'users_purchased') }} as repeat_rate
from counted
