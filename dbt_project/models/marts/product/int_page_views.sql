-- depends_on: {{ ref('int_sessions') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'sessions', 'by': 'session_id', 'since': 'start_time'}], 'notes': ['page_orders']},
) }}
{% set touched = is_touched(
    'sessions', by='session_id', since='created_at', in_full=in_chunk('session_id', 'created_at')
) %}
-- Whatever the source holds, an event stays one row: the only join below is to a key made unique
-- by row_number. Partitions are by user and session, as two users may share a session id.
with checkouts as (
    select
        user_id,
        session_id,
        order_id,
        row_number() over (
            partition by user_id, session_id
            order by created_at desc, order_id desc
        ) as nth_from_last
    from {{ ref('dim_events') }}
    where
        event_type = 'checkout'
        and order_id is not null
        and {{ touched }}
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
        count(case when event_type = 'checkout' and order_id is not null then 1 end) over (
            partition by user_id, session_id
            order by created_at
            range between current row and unbounded following
        ) as checkouts_to_come
    from {{ ref('dim_events') }}
    where {{ touched }}
)

select
    events.event_id,
    events.session_id,
    events.user_id,
    -- With k checkouts to come the next one is the k-th from the end; with none, the last before is the first.
    coalesce(events.order_id, checkouts.order_id) as order_id,
    events.event_type,
    events.product_id,
    events.start_time,
    events.stop_time
from events
left join checkouts
    on
        events.user_id = checkouts.user_id
        and events.session_id = checkouts.session_id
        and checkouts.nth_from_last = case when events.checkouts_to_come > 0 then events.checkouts_to_come else 1 end
