select events.*
from {{ arrived('events', failing_by='event_id') }} as events
left join {{ ref('stg_users') }} as users
    on events.user_id = users.user_id
where users.user_id is null
