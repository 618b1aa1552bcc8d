{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('day', of='sessions') }}",
) }}
with daily_events as (
    select
        cast(created_at as date) as day,
        count(*) as events
    from {{ ref('dim_events') }}
    where {{ in_affected_days('created_at', of='sessions') }}
    group by cast(created_at as date)
),

-- A session belongs to the day it began on: shipping carries many across midnight.
daily_sessions as (
    select
        session_date,
        count(*) as sessions,
        count(case when has_cart then 1 end) as sessions_with_cart,
        count(case when has_checkout then 1 end) as sessions_with_checkout
    from {{ ref('int_sessions') }}
    where {{ in_affected_days('session_date', of='sessions') }}
    group by session_date
)

select
    daily_events.day,
    cast(daily_events.events as integer) as events,
    cast(coalesce(daily_sessions.sessions, 0) as integer) as sessions,
    cast(coalesce(daily_sessions.sessions_with_cart, 0) as integer) as sessions_with_cart,
    cast(coalesce(daily_sessions.sessions_with_checkout, 0) as integer) as sessions_with_checkout
from daily_events
left join daily_sessions
    on daily_events.day = daily_sessions.session_date
