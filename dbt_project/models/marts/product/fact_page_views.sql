{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('session_date', of='sessions') }}",
) }}
-- Counting the events of each session first costs less than counting distinct sessions.
with sessions as (
    select
        user_id,
        order_id,
        event_type,
        session_id,
        session_date,
        count(*) as events,
        sum({{ microseconds_between('start_time', 'stop_time') }}) as microseconds
    from {{ ref('int_page_views') }}
    where
        order_id is not null
        and stop_time is not null
        and {{ in_affected_days('session_date', of='sessions') }}
    group by user_id, order_id, event_type, session_id, session_date
)

select
    user_id,
    order_id,
    event_type,
    min(session_date) as session_date,
    cast(count(*) as integer) as number_of_sessions,
    cast(sum(microseconds) as {{ double_type() }}) / sum(events) / 1000000 as avg_duration_seconds
from sessions
group by user_id, order_id, event_type
