-- A bot or a broken client can outweigh everybody else, so the rate is also given without the one
-- user who has the most sessions (the lowest user_id where several do).
with sessions as (
    select
        user_id,
        session_id,
        max(case when event_type = 'checkout' then 1 else 0 end) as has_checkout
    from {{ ref('dim_events') }}
    group by user_id, session_id
),

users_by_sessions as (
    select
        user_id,
        row_number() over (order by count(*) desc, user_id) as nth_most_active
    from sessions
    group by user_id
),

counted as (
    select
        count(distinct sessions.session_id) as sessions,
        count(distinct case when sessions.has_checkout = 1 then sessions.session_id end)
            as sessions_with_checkout,
        count(distinct case when users_by_sessions.nth_most_active > 1 then sessions.session_id end)
            as sessions_without_top_user,
        count(distinct case
            when users_by_sessions.nth_most_active > 1 and sessions.has_checkout = 1 then sessions.session_id
        end) as sessions_with_checkout_without_top_user
    from sessions
    inner join users_by_sessions
        on sessions.user_id = users_by_sessions.user_id
)

select
    cast(sessions as integer) as sessions,
    cast(sessions_with_checkout as integer) as sessions_with_checkout,
    {{ share('sessions_with_checkout', 'sessions') }} as conversion_rate,
    cast(sessions_without_top_user as integer) as sessions_without_top_user,
    cast(sessions_with_checkout_without_top_user as integer) as sessions_with_checkout_without_top_user,
    {{ share('sessions_with_checkout_without_top_user', 'sessions_without_top_user') }}
        as conversion_rate_without_top_user
from counted
