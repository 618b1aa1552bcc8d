{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': {'kind': 'users', 'by': 'user_id'}},
) }}
{% set touched = is_touched('users', by='user_id') %}
{% set loads = loads_to_see() %}
{# Users whose browsing up to their first order cannot have changed: same order, no news of a session from before. #}
{% set unchanged %}
    select
        held.user_id,
        held.browsing_seconds_to_first_order
    from {{ this }} as held
    inner join (
        select
            user_id,
            min(order_date) as first_order_date
        from {{ ref('int_user_orders') }}
        where {{ touched }}
        group by user_id
    ) as first_orders
        on
            held.user_id = first_orders.user_id
            and held.first_order_date = first_orders.first_order_date
    left join (
        select
            user_id,
            min(since) as since
        from {{ landing('touched_sessions') }}
        where {{ 'false' if loads.all else in_loads(loads) }}
        group by user_id
    ) as news
        on held.user_id = news.user_id
    where
        news.user_id is null
        or news.since > held.first_order_date
{% endset %}
{# The sessions around other users' first orders begin no earlier than this, as a constant, to read no older events. #}
{% set since = none %}
{% if not loads.all %}
    {% set query %}
        select min(sessions.browsing_started_at)
        from {{ ref('int_user_sessions') }} as sessions
        inner join (
            select user_id, min(order_date) as first_order_date
            from {{ ref('int_user_orders') }}
            where {{ touched }}
            group by user_id
        ) as first_orders
            on sessions.user_id = first_orders.user_id
        where
            sessions.browsing_started_at <= first_orders.first_order_date
            and sessions.browsing_ended_at > first_orders.first_order_date
            and sessions.user_id not in (select user_id from ({{ unchanged }}) as unchanged)
    {% endset %}
    {% set since = row_of(query)[0] %}
{% endif %}
with orders as (
    select
        user_id,
        order_id,
        order_date,
        order_delivered_date,
        estimated_delivery_at,
        row_number() over (partition by user_id order by order_date, order_id) as nth_order
    from {{ ref('int_user_orders') }}
    where {{ touched }}
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

unchanged as (
    {% if loads.all %}
        select
            user_id,
            cast(null as double precision) as browsing_seconds_to_first_order
        from user_orders
        where false
    {% else %}
        {{ unchanged }}
    {% endif %}
),

sessions as (
    select
        user_sessions.user_id,
        user_sessions.session_id,
        user_sessions.started_at,
        user_sessions.has_checkout,
        user_sessions.browsing_microseconds,
        case
            when user_sessions.browsing_started_at > user_orders.first_order_date then 'after'
            when user_sessions.browsing_ended_at <= user_orders.first_order_date then 'before'
            when user_orders.first_order_date is not null and unchanged.user_id is null then 'around'
        end as first_order
    from {{ ref('int_user_sessions') }} as user_sessions
    left join user_orders
        on user_sessions.user_id = user_orders.user_id
    left join unchanged
        on user_sessions.user_id = unchanged.user_id
    where {{ is_touched('users', by='user_sessions.user_id') }}
),

-- What was known of a user when the first order was placed: browsing up to that moment. Only of the session that it
-- was placed in do the single events matter.
page_views as (
    select
        page_views.user_id,
        page_views.session_id,
        page_views.event_type,
        page_views.start_time,
        page_views.stop_time
    from {{ ref('int_page_views') }} as page_views
    inner join sessions
        on
            page_views.user_id = sessions.user_id
            and page_views.session_id = sessions.session_id
    where
        sessions.first_order = 'around'
        and {{ "page_views.start_time >= cast('" ~ since ~ "' as timestamp)" if since else 'true' }}
),

shipments as (
    select distinct
        user_id,
        session_id,
        start_time
    from page_views
    where event_type = 'package_shipped'
),

browsing_around as (
    select
        page_views.user_id,
        page_views.session_id,
        sum({{ microseconds_between(
            'page_views.start_time', 'least(page_views.stop_time, user_orders.first_order_date)'
        ) }}) as browsing_microseconds
    from page_views
    inner join user_orders
        on page_views.user_id = user_orders.user_id
    left join shipments
        on
            page_views.user_id = shipments.user_id
            and page_views.session_id = shipments.session_id
            and page_views.stop_time = shipments.start_time
    where
        page_views.event_type in ('page_view', 'add_to_cart')
        and page_views.start_time <= user_orders.first_order_date
        and page_views.stop_time is not null
        and shipments.session_id is null
    group by page_views.user_id, page_views.session_id
),

user_sessions as (
    select
        sessions.user_id,
        count(*) as number_of_sessions,
        sum(sessions.browsing_microseconds) as browsing_microseconds,
        count(case when coalesce(sessions.browsing_microseconds, 0) < 60000000 then 1 end) as sessions_under_a_minute,
        sum(case
            when sessions.first_order = 'before' then sessions.browsing_microseconds
            when sessions.first_order = 'around' then browsing_around.browsing_microseconds
        end) as browsing_microseconds_to_first_order,
        count(case
            when sessions.started_at <= user_orders.first_order_date and not sessions.has_checkout then 1
        end) as sessions_without_checkout_to_first_order
    from sessions
    left join browsing_around
        on
            sessions.user_id = browsing_around.user_id
            and sessions.session_id = browsing_around.session_id
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
            then coalesce(
                unchanged.browsing_seconds_to_first_order,
                coalesce(cast(user_sessions.browsing_microseconds_to_first_order as double precision), 0) / 1000000
            )
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
left join unchanged
    on users.user_id = unchanged.user_id
where {{ is_touched('users', by='users.user_id') }}
