-- depends_on: {{ ref('int_sessions') }}
-- depends_on: {{ ref('int_order_events') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'page_orders', 'by': 'order_id'}]},
) }}
{# Counting sessions is what costs in a full build, and nearly all orders have one. #}
{% if loads_to_see().all %}
    {% set several = 'select order_id from ' ~ ref('int_order_events') ~ ' group by order_id having count(*) > 1' %}
    {% set several = once(several) %}
    {% set in_one_session = 'order_id not in (' ~ several ~ ') and ' ~ in_chunk('session_id', 'start_time') %}
    {% set in_several_sessions = 'order_id in (' ~ several ~ ') and ' ~ in_first_chunk() %}
{% else %}
    {% set in_one_session = 'false' %}
    {% set in_several_sessions = is_touched('page_orders', by='order_id', since='start_time') %}
{% endif %}
select
    user_id,
    order_id,
    event_type,
    1 as number_of_sessions,
    {{ mean_seconds(microseconds_between('start_time', 'stop_time')) }} as avg_duration_seconds
from {{ ref('int_page_views') }}
where
    order_id is not null
    and stop_time is not null
    and {{ in_one_session }}
group by user_id, order_id, event_type
union all
select
    user_id,
    order_id,
    event_type,
    cast(count(distinct session_id) as integer) as number_of_sessions,
    {{ mean_seconds(microseconds_between('start_time', 'stop_time')) }} as avg_duration_seconds
from {{ ref('int_page_views') }}
where
    order_id is not null
    and stop_time is not null
    and {{ in_several_sessions }}
group by user_id, order_id, event_type
