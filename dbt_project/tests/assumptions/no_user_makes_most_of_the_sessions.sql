with shares as (
    select
        user_id,
        sessions as number_of_sessions,
        sum(sessions) over () as all_sessions
    from {{ ref('int_user_visits') }}
)

select
    user_id,
    number_of_sessions,
    all_sessions,
    cast(number_of_sessions as {{ dbt.type_string() }}) || ' of ' || cast(all_sessions as {{ dbt.type_string() }})
    || ' sessions are one user''s; the share allowed is {{ var("max_session_share") }}.' as finding
from shares
where number_of_sessions > all_sessions * {{ var('max_session_share') }}
