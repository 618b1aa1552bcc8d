-- A user's first order is also the last one unless there are two: no need to count the orders of each.
with counted as (
    select
        cast(count(case when is_first_order = 'Y' then 1 end) as integer) as users_purchased,
        cast(count(case when is_first_order = 'Y' and is_last_order = 'N' then 1 end) as integer) as users_repeat
    from {{ ref('fact_orders') }}
)

select
    users_purchased,
    users_repeat,
    {{ share('users_repeat', 'users_purchased') }} as repeat_rate
from counted
