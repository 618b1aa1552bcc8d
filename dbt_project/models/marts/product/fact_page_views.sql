-- depends_on: {{ ref('int_sessions') }}
-- depends_on: {{ ref('int_order_events') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'page_orders', 'by': 'order_id'}]},
) }}
{% set is_full = loads_to_see().all %}
{# Counting sessions is what costs, and nearly all orders have one. #}
{% set several %}
    select order_id
    from {{ ref('int_order_events') }}
    group by order_id
    having count(*) > 1
{% endset %}
{% if is_full and execute and flags.WHICH in ('build', 'run') and model.resource_type == 'model' %}
    {# Once for all chunks. #}
    {% do run_query('create or replace temporary table orders_in_several_sessions as ' ~ several) %}
    {% set several = 'select order_id from orders_in_several_sessions' %}
{% endif %}
{% if is_full %}
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
        and order_id not in ({{ several }})
        and {{ in_chunk('session_id', 'start_time') }}
    group by user_id, order_id, event_type
    union all
{% endif %}
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
    {% if is_full %}
        and order_id in ({{ several }})
        and {{ in_first_chunk() }}
    {% else %}
        and {{ is_touched('page_orders', by='order_id', since='start_time') }}
    {% endif %}
group by user_id, order_id, event_type
