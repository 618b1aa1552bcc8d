-- depends_on: {{ ref('int_sessions') }}
-- depends_on: {{ ref('int_order_events') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': {'kind': 'page_orders', 'by': 'order_id'}},
) }}
with timed as (
    select
        user_id,
        order_id,
        event_type,
        session_id,
        {{ microseconds_between('start_time', 'stop_time') }} as duration_microseconds
    from {{ ref('int_page_views') }}
    where
        order_id is not null
        and stop_time is not null
        and {{ is_touched('page_orders', by='order_id', since='start_time') }}
)

select
    user_id,
    order_id,
    event_type,
    cast(count(distinct session_id) as integer) as number_of_sessions,
    {{ mean_seconds('duration_microseconds') }} as avg_duration_seconds
from timed
group by user_id, order_id, event_type
