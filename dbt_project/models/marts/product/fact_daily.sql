with daily_orders as (
    select
        cast(order_date as date) as day,
        count(*) as orders,
        sum(amount) as revenue,
        count(case when is_first_order = 'Y' then 1 end) as first_orders
    from {{ ref('fact_orders') }}
    group by cast(order_date as date)
),

days as (
    select day from {{ ref('int_daily_traffic') }}
    union
    select day from daily_orders
)

select
    days.day,
    cast(coalesce(traffic.events, 0) as integer) as events,
    cast(coalesce(daily_orders.orders, 0) as integer) as orders,
    cast(coalesce(daily_orders.revenue, 0) as decimal(18, 2)) as revenue,
    cast(coalesce(daily_orders.first_orders, 0) as integer) as first_orders,
    cast(coalesce(daily_orders.orders - daily_orders.first_orders, 0) as integer) as returning_orders,
    cast(coalesce(traffic.sessions, 0) as integer) as sessions,
    cast(coalesce(traffic.sessions_with_checkout, 0) as integer) as sessions_with_checkout,
    {{ share('traffic.sessions_with_checkout', 'traffic.sessions') }} as conversion_rate
from days
left join {{ ref('int_daily_traffic') }} as traffic
    on days.day = traffic.day
left join daily_orders
    on days.day = daily_orders.day
