select
    user_id,
    count(case when is_first_order = 'Y' then 1 end) as first_orders,
    count(case when is_last_order = 'Y' then 1 end) as last_orders
from {{ ref('fact_orders') }}
group by user_id
having
    count(case when is_first_order = 'Y' then 1 end) <> 1
    or count(case when is_last_order = 'Y' then 1 end) <> 1
