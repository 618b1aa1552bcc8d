with shared as (
    select session_id
    from {{ ref('stg_events') }}
    where {{ in_question('session_id', ['events'], since='created_at') }}
    group by session_id
    having min(user_id) <> max(user_id)
)

select events.*
from {{ ref('stg_events') }} as events
inner join shared
    on events.session_id = shared.session_id
where {{ in_question('session_id', ['events'], since='created_at', of='events') }}
