select events.*
from {{ ref('stg_events') }} as events
where
    {{ in_affected_days('events.created_at', of='events', parents=['users']) }}
    and not exists (
        select 1
        from {{ ref('stg_users') }} as users
        where users.user_id = events.user_id
    )
