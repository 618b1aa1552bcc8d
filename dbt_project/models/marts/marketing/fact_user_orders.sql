with orders as (
    select
        user_id,
        order_total,
        order_delivered_date,
        {{ microseconds_between('order_date', 'ship_date') }} as prep_microseconds,
        {{ microseconds_between('ship_date', 'order_delivered_date') }} as ship_microseconds
    from {{ ref('int_user_orders') }}
)

select
    user_id,
    cast(count(*) as integer) as number_of_orders,
    cast(count(order_delivered_date) as integer) as number_of_orders_delivered,
    cast(sum(order_total) as decimal(18, 2)) as total_spent,
    {{ mean_of_money('order_total') }} as avg_spent_per_order,
    {{ mean_seconds('prep_microseconds') }} as avg_prep_seconds,
    {{ mean_seconds('ship_microseconds') }} as avg_ship_seconds
from orders
group by user_id
