with daily_events as (
    select
        cast(created_at as date) as day,
        count(*) as events
    from {{ ref('dim_events') }}
    group by cast(created_at as date)
),

-- A session belongs to the day it began on: shipping carries many across midnight.
sessions as (
    select
        session_id,
        cast(min(created_at) as date) as day,
        max(case when event_type = 'checkout' then 1 else 0 end) as has_checkout
    from {{ ref('dim_events') }}
    group by session_id
),

daily_sessions as (
    select
        day,
        count(*) as sessions,
        sum(has_checkout) as sessions_with_checkout
    from sessions
    group by day
),

daily_orders as (
    select
        cast(order_date as date) as day,
        count(*) as orders,
        sum(amount) as revenue,
        count(case when is_first_order = 'Y' then 1 end) as first_orders
    from {{ ref('fact_orders') }}
    group by cast(order_date as date)
),

days as (
    select day from daily_events
    union
    select day from daily_orders
)

select
    days.day,
    cast(coalesce(daily_events.events, 0) as integer) as events,
    cast(coalesce(daily_orders.orders, 0) as integer) as orders,
    cast(coalesce(daily_orders.revenue, 0) as decimal(18, 2)) as revenue,
    cast(coalesce(daily_orders.first_orders, 0) as integer) as first_orders,
    cast(coalesce(daily_orders.orders - daily_orders.first_orders, 0) as integer) as returning_orders,
    cast(coalesce(daily_sessions.sessions, 0) as integer) as sessions,
    cast(coalesce(daily_sessions.sessions_with_checkout, 0) as integer) as sessions_with_checkout,
    {{ share('daily_sessions.sessions_with_checkout', 'daily_sessions.sessions') }} as conversion_rate
from days
left join daily_events
    on days.day = daily_events.day
left join daily_sessions
    on days.day = daily_sessions.day
left join daily_orders
    on days.day = daily_orders.day
