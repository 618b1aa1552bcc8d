with sessions as (
    select
        user_id,
        count(distinct session_id) as number_of_sessions
    from {{ ref('stg_events') }}
    group by user_id
),

shares as (
    select
        user_id,
        number_of_sessions,
        sum(number_of_sessions) over () as all_sessions
    from sessions
)

select
    user_id,
    number_of_sessions,
    all_sessions,
    cast(number_of_sessions as {{ dbt.type_string() }}) || ' of ' || cast(all_sessions as {{ dbt.type_string() }})
    || ' sessions are one user''s; the share allowed is {{ var("max_session_share") }}.' as finding
from shares
where number_of_sessions > all_sessions * {{ var('max_session_share') }}
