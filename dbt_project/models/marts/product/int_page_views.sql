{{ config(
    materialized='incremental',
    incremental_strategy='append',
    pre_hook="{{ delete_affected_days('session_date', of='sessions') }}",
) }}
-- Whatever the source holds, an event stays one row: the checkouts of a session that are joined below share no moment.
-- Partitions are by user and session, as two users may share a session id; what has no user or no session is nobody's.
with checkouts as (
    select
        user_id,
        session_id,
        order_id,
        created_at,
        row_number() over (partition by user_id, session_id order by created_at, order_id) as nth_checkout,
        lag(created_at) over (partition by user_id, session_id order by created_at, order_id) as previous_at,
        count(*) over (partition by user_id, session_id) as number_of_checkouts
    from {{ ref('dim_events') }}
    where
        event_type = 'checkout'
        and order_id is not null
        and {{ in_affected_days('created_at', of='sessions', around=1) }}
),

events as (
    select
        event_id,
        session_id,
        user_id,
        order_id,
        event_type,
        product_id,
        created_at as start_time,
        {{ next_later('created_at', partition_by=['user_id', 'session_id']) }} as stop_time,
        cast(first_value(created_at) over (partition by user_id, session_id order by created_at) as date)
            as session_date,
        {{ highest_id(
            "case when event_type = 'checkout' and user_id is not null and session_id is not null then order_id end",
            over='partition by user_id, session_id',
        ) }} as only_order_id
    from {{ ref('dim_events') }}
    where {{ in_affected_days('created_at', of='sessions', around=1) }}
)

select
    events.session_date,
    events.event_id,
    events.session_id,
    events.user_id,
    -- It leads to the next checkout, or else belongs to the last one; nearly all sessions have one at the most.
    coalesce(events.order_id, checkouts.order_id, events.only_order_id) as order_id,
    events.event_type,
    events.product_id,
    events.start_time,
    events.stop_time
from events
left join checkouts
    on
        events.user_id = checkouts.user_id
        and events.session_id = checkouts.session_id
        and checkouts.number_of_checkouts > 1
        and (checkouts.nth_checkout = 1 or events.start_time > checkouts.previous_at)
        and (checkouts.nth_checkout = checkouts.number_of_checkouts or events.start_time <= checkouts.created_at)
where {{ in_affected_days('events.session_date', of='sessions') }}
