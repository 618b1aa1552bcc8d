with orders as (
    select
        user_id,
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

-- What was known of a user when the first order was placed: browsing up to that moment.
sessions as (
    select
        sessions.user_id,
        sessions.browsing_microseconds,
        case
            when sessions.browsing_ended_at <= user_orders.first_order_date then sessions.browsing_microseconds
            when sessions.browsing_started_at <= user_orders.first_order_date
                then sessions.browsing_microseconds_to_order
        end as browsing_microseconds_to_first_order,
        sessions.started_at <= user_orders.first_order_date and not sessions.has_checkout
            as ended_without_buying_before
    from {{ ref('int_sessions') }} as sessions
    left join user_orders
        on sessions.user_id = user_orders.user_id
),

user_sessions as (
    select
        user_id,
        count(*) as number_of_sessions,
        count(case when coalesce(browsing_microseconds, 0) < 60000000 then 1 end) as sessions_under_a_minute,
        cast(coalesce(sum(browsing_microseconds), 0) as bigint) as browsing_microseconds,
        cast(coalesce(sum(browsing_microseconds_to_first_order), 0) as bigint) as browsing_microseconds_to_first_order,
        count(case when ended_without_buying_before then 1 end) as sessions_without_checkout_to_first_order
    from sessions
    group by user_id
)

select
    users.user_id,
    cast(coalesce(user_sessions.number_of_sessions, 0) as integer) as number_of_sessions,
    cast(coalesce(user_sessions.browsing_microseconds, 0) as {{ double_type() }}) / 1000000 as browsing_seconds,
    cast(coalesce(user_sessions.sessions_under_a_minute, 0) as integer) as sessions_under_a_minute,
    cast(coalesce(user_orders.number_of_orders, 0) as integer) as number_of_orders,
    cast(coalesce(user_orders.number_of_orders_late, 0) as integer) as number_of_orders_late,
    cast(coalesce(user_orders.number_of_orders_undelivered, 0) as integer) as number_of_orders_undelivered,
    user_orders.first_order_date,
    user_orders.first_order_estimated_delivery_at,
    user_orders.first_order_delivered_date,
    case
        when user_orders.user_id is not null
            then cast(coalesce(user_sessions.browsing_microseconds_to_first_order, 0) as {{ double_type() }}) / 1000000
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
