-- depends_on: {{ ref('int_sessions') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'sessions', 'by': 'session_id', 'since': 'started_at'}], 'notes': ['user_sessions']},
) }}
-- A parcel is sent in the session too, hours later: what lasts until then is waiting, not browsing.
with page_views as (
    select
        user_id,
        session_id,
        event_type,
        start_time,
        stop_time
    from {{ ref('int_page_views') }}
    where {{ is_touched(
        'sessions', by='session_id', since='start_time', in_full=in_chunk('session_id', 'start_time')
    ) }}
),

shipments as (
    select distinct
        user_id,
        session_id,
        start_time
    from page_views
    where event_type = 'package_shipped'
),

marked as (
    select
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
    from page_views
    left join shipments
        on
            page_views.user_id = shipments.user_id
            and page_views.session_id = shipments.session_id
            and page_views.stop_time = shipments.start_time
)

select
    user_id,
    session_id,
    min(start_time) as started_at,
    max(case when event_type = 'checkout' then 1 else 0 end) = 1 as has_checkout,
    min(case when is_browsing then start_time end) as browsing_started_at,
    max(case when is_browsing then stop_time end) as browsing_ended_at,
    cast(sum(case when is_browsing then {{ microseconds_between('start_time', 'stop_time') }} end) as bigint)
        as browsing_microseconds
from marked
group by user_id, session_id
