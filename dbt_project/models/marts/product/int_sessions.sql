{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'sessions', 'by': 'session_id', 'since': 'started_at'}], 'notes': ['days', 'visits']},
) }}
-- One pass over the events that conversion, the funnel and the days all read.
select
    session_id,
    min(user_id) as user_id,
    coalesce(min(user_id) <> max(user_id), false) or count(user_id) not in (0, count(*)) as is_shared,
    min(created_at) as started_at,
    max(created_at) as ended_at,
    max(case when event_type in ('add_to_cart', 'checkout') then 1 else 0 end) = 1 as has_cart,
    max(case when event_type = 'checkout' then 1 else 0 end) = 1 as has_checkout
from {{ ref('dim_events') }}
where {{ is_touched('sessions', by='session_id', since='created_at') }}
group by session_id
{# In order of time the daily runs, and the chunks of a full build, skip most of the table. #}
{% if loads_to_see().all %} order by started_at {% endif %}
