{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'visitors', 'by': 'user_id'}]},
) }}
{% set loads = loads_to_see() %}
-- The sums of int_sessions, and after a load what they were and the difference that it made.
with changes as (
    select
        user_id,
        cast(count(*) as bigint) as sessions,
        cast(count(case when has_checkout then 1 end) as bigint) as sessions_with_checkout
    from {{ ref('int_sessions') }}
    where not is_shared {% if not loads.all %} and false {% endif %}
    group by user_id
    {% if not loads.all %}
        union all
        select
            changed.user_id,
            changed.sessions,
            changed.sessions_with_checkout
        from {{ landing('changed_visits') }} as changed
        where {{ in_loads(loads, 'changed') }}
        union all
        select
            held.user_id,
            held.sessions,
            held.sessions_with_checkout
        from {{ this }} as held
        where {{ is_touched('visitors', by='held.user_id') }}
    {% endif %}
)

select
    user_id,
    cast(sum(sessions) as integer) as sessions,
    cast(sum(sessions_with_checkout) as integer) as sessions_with_checkout
from changes
group by user_id
having sum(sessions) > 0
