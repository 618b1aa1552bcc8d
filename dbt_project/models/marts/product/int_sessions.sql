{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('session_date', of='visits') }}",
) }}
with shipments as (
    select distinct
        user_id,
        session_id,
        created_at
    from {{ ref('dim_events') }}
    where event_type = 'package_shipped' and {{ in_affected_days('created_at', of='visits', around=1) }}
),

-- A parcel is sent in the session too, hours later: what lasts until then is waiting, not browsing.
marked as (
    select
        page_views.session_date,
        page_views.user_id,
        page_views.session_id,
        page_views.event_type,
        page_views.start_time,
        page_views.stop_time,
        coalesce(
            page_views.event_type in ('page_view', 'add_to_cart')
            and page_views.stop_time is not null
            and shipments.session_id is null,
            false
        ) as is_browsing
    from {{ ref('int_page_views') }} as page_views
    left join shipments
        on
            page_views.user_id = shipments.user_id
            and page_views.session_id = shipments.session_id
            and page_views.stop_time = shipments.created_at
    where {{ in_affected_days('page_views.session_date', of='visits') }}
),

sessions as (
    select
        session_date,
        user_id,
        session_id,
        min(start_time) as started_at,
        max(start_time) as ended_at,
        max(case when event_type in ('add_to_cart', 'checkout') then 1 else 0 end) = 1 as has_cart,
        max(case when event_type = 'checkout' then 1 else 0 end) = 1 as has_checkout,
        min(case when is_browsing then start_time end) as browsing_started_at,
        max(case when is_browsing then stop_time end) as browsing_ended_at,
        cast(sum(case when is_browsing then {{ microseconds_between('start_time', 'stop_time') }} end) as bigint)
            as browsing_microseconds
    from marked
    group by session_date, user_id, session_id
),

-- The order that a user placed while browsing, if any: their next one after browsing began.
moments as (
    select
        user_id,
        session_id,
        browsing_started_at as moment,
        browsing_ended_at,
        cast(null as timestamp) as order_date
    from sessions
    where browsing_started_at is not null
    union all
    select
        user_id,
        null as session_id,
        order_date as moment,
        null as browsing_ended_at,
        order_date
    from {{ ref('dim_orders') }}
    where {{ in_affected_days('order_date', of='visits', around=1) }}
),

next_orders as (
    select
        user_id,
        session_id,
        browsing_ended_at,
        min(order_date) over (
            partition by user_id
            order by moment
            range between current row and unbounded following
        ) as order_date
    from moments
),

browsing_to_order as (
    select
        marked.user_id,
        marked.session_id,
        sum({{ microseconds_between('marked.start_time', 'least(marked.stop_time, next_orders.order_date)') }})
            as microseconds
    from marked
    inner join next_orders
        on
            marked.user_id = next_orders.user_id
            and marked.session_id = next_orders.session_id
            and marked.start_time <= next_orders.order_date
    where
        marked.is_browsing
        and next_orders.order_date < next_orders.browsing_ended_at
    group by marked.user_id, marked.session_id
)

select
    sessions.*,
    cast(browsing_to_order.microseconds as bigint) as browsing_microseconds_to_order
from sessions
left join browsing_to_order
    on
        sessions.user_id = browsing_to_order.user_id
        and sessions.session_id = browsing_to_order.session_id
