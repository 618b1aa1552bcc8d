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
    {{ var('max_session_share') }} as share_allowed
from shares
where number_of_sessions > all_sessions * {{ var('max_session_share') }}
