with users as (
    select
        user_id,
        count(*) as number_of_sessions
    from {{ ref('int_sessions') }}
    group by user_id
),

total as (
    select sum(number_of_sessions) as all_sessions
    from users
)

select
    users.user_id,
    users.number_of_sessions,
    total.all_sessions,
    cast(round(100.0 * users.number_of_sessions / total.all_sessions) as integer) as share_in_percent
from users
cross join total
where users.number_of_sessions > total.all_sessions * {{ var('max_session_share') }}
