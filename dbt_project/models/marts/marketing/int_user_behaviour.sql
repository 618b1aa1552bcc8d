with orders as (
    select
        user_id,
        order_id,
        order_date,
        order_delivered_date,
        estimated_delivery_at,
        row_number() over (partition by user_id order by order_date, order_id) as nth_order
    from {{ ref('int_user_orders') }}
),

user_orders as (
    select
        user_id,
        count(*) as number_of_orders,
        count(case when order_delivered_date > estimated_delivery_at then 1 end) as number_of_orders_late,
        count(case when order_delivered_date is null then 1 end) as number_of_orders_undelivered,
        min(case when nth_order = 1 then order_date end) as first_order_date,
        min(case when nth_order = 1 then estimated_delivery_at end) as first_order_estimated_delivery_at,
        min(case when nth_order = 1 then order_delivered_date end) as first_order_delivered_date,
        min(case when nth_order = 2 then order_date end) as second_order_date
    from orders
    group by user_id
),

-- A parcel is sent in the session too, hours later: what lasts until then is waiting, not browsing.
shipments as (
    select distinct
        user_id,
        session_id,
        start_time
    from {{ ref('int_page_views') }}
    where event_type = 'package_shipped'
),

browsing as (
    select
        page_views.user_id,
        page_views.session_id,
        page_views.start_time,
        page_views.stop_time
    from {{ ref('int_page_views') }} as page_views
    left join shipments
        on
            page_views.user_id = shipments.user_id
            and page_views.session_id = shipments.session_id
            and page_views.stop_time = shipments.start_time
    where
        page_views.event_type in ('page_view', 'add_to_cart')
        and shipments.session_id is null
),

sessions as (
    select
        user_id,
        session_id,
        min(start_time) as started_at,
        max(case when event_type = 'checkout' then 1 else 0 end) as has_checkout
    from {{ ref('int_page_views') }}
    group by user_id, session_id
),

-- What was known of a user when the first order was placed: browsing up to that moment.
session_browsing as (
    select
        browsing.user_id,
        browsing.session_id,
        sum({{ microseconds_between('browsing.start_time', 'browsing.stop_time') }}) as browsing_microseconds,
        sum(case
            when browsing.start_time <= user_orders.first_order_date
                then {{ microseconds_between(
                    'browsing.start_time', 'least(browsing.stop_time, user_orders.first_order_date)'
                ) }}
        end) as browsing_microseconds_to_first_order
    from browsing
    left join user_orders
        on browsing.user_id = user_orders.user_id
    where browsing.stop_time is not null
    group by browsing.user_id, browsing.session_id
),

user_sessions as (
    select
        sessions.user_id,
        count(*) as number_of_sessions,
        sum(session_browsing.browsing_microseconds) as browsing_microseconds,
        count(case when coalesce(session_browsing.browsing_microseconds, 0) < 60000000 then 1 end)
            as sessions_under_a_minute,
        sum(session_browsing.browsing_microseconds_to_first_order) as browsing_microseconds_to_first_order,
        count(case
            when sessions.started_at <= user_orders.first_order_date and sessions.has_checkout = 0 then 1
        end) as sessions_without_checkout_to_first_order
    from sessions
    left join session_browsing
        on
            sessions.user_id = session_browsing.user_id
            and sessions.session_id = session_browsing.session_id
    left join user_orders
        on sessions.user_id = user_orders.user_id
    group by sessions.user_id
)

select
    users.user_id,
    cast(coalesce(user_sessions.number_of_sessions, 0) as integer) as number_of_sessions,
    coalesce(cast(user_sessions.browsing_microseconds as double precision), 0) / 1000000 as browsing_seconds,
    cast(coalesce(user_sessions.sessions_under_a_minute, 0) as integer) as sessions_under_a_minute,
    cast(coalesce(user_orders.number_of_orders, 0) as integer) as number_of_orders,
    cast(coalesce(user_orders.number_of_orders_late, 0) as integer) as number_of_orders_late,
    cast(coalesce(user_orders.number_of_orders_undelivered, 0) as integer) as number_of_orders_undelivered,
    user_orders.first_order_date,
    user_orders.first_order_estimated_delivery_at,
    user_orders.first_order_delivered_date,
    case
        when user_orders.user_id is not null
            then
                coalesce(cast(user_sessions.browsing_microseconds_to_first_order as double precision), 0)
                / 1000000
    end as browsing_seconds_to_first_order,
    case
        when user_orders.user_id is not null
            then cast(coalesce(user_sessions.sessions_without_checkout_to_first_order, 0) as integer)
    end as sessions_without_checkout_to_first_order,
    user_orders.second_order_date
from {{ ref('dim_users') }} as users
left join user_sessions
    on users.user_id = user_sessions.user_id
left join user_orders
    on users.user_id = user_orders.user_id
