with users as (
    select distinct
        session_id,
        user_id
    from {{ ref('stg_events') }}
    where
        user_id is not null
        and session_id in (
            select recent.session_id
            from {{ ref('stg_events') }} as recent
            where {{ in_affected_days('recent.created_at', of='events') }}
        )
),

shared as (
    select session_id
    from users
    group by session_id
    having count(*) > 1
)

select events.*
from {{ ref('stg_events') }} as events
inner join shared
    on events.session_id = shared.session_id
