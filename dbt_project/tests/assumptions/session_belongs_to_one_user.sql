with shared as (
    select session_id
    from {{ ref('stg_events') }}
    group by session_id
    having count(distinct user_id) > 1
)

select events.*
from {{ ref('stg_events') }} as events
inner join shared
    on events.session_id = shared.session_id
