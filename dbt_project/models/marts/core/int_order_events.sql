{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'sessions', 'by': 'session_id', 'since': 'first_event_at'}]},
) }}
select
    order_id,
    user_id,
    session_id,
    min(created_at) as first_event_at,
    cast(count(case when event_type = 'checkout' then 1 end) as integer) as number_of_checkouts,
    min(case when event_type = 'package_shipped' then created_at end) as ship_date
from {{ ref('dim_events') }}
where
    order_id is not null
    and {{ is_touched('sessions', by='session_id', since='created_at') }}
group by order_id, user_id, session_id
{# In order of time the daily runs, and the chunks of a full build, skip most of the table. #}
{% if loads_to_see().all %} order by first_event_at {% endif %}
