-- A group that nobody is in has a row too.
select
    sizes.purchases,
    sizes.least_orders,
    cast(count(buyers.user_id) as integer) as users,
    cast(coalesce(sum(buyers.number_of_orders), 0) as integer) as orders,
    {{ share('count(buyers.user_id)', 'sum(count(buyers.user_id)) over ()') }} as share_of_users
from (values ('one', 1), ('two', 2), ('three_or_more', 3)) as sizes (purchases, least_orders)
left join {{ ref('fact_user_orders') }} as buyers
    on sizes.least_orders = least(buyers.number_of_orders, 3)
group by sizes.purchases, sizes.least_orders
