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
)

select
    user_id,
    order_id,
    event_type,
    cast(count(distinct session_id) as integer) as number_of_sessions,
    {{ mean_seconds('duration_microseconds') }} as avg_duration_seconds
from timed
group by user_id, order_id, event_type
