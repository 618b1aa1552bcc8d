select
    session_id,
    min(created_at) as started_at,
    max(created_at) as ended_at,
    count(*) as number_of_events
from {{ ref('stg_events') }}
where {{ in_affected_days('created_at', of='sessions', kept='started_at') }}
group by session_id
having max(created_at) >= {{ days_after('min(created_at)', 1) }}
