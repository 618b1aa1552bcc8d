-- A bot or a broken client can outweigh everybody else, so the rate is also given without the one
-- user who has the most sessions (the lowest user_id where several do).
with sessions as (
    select
        user_id,
        session_id,
        has_checkout,
        false as is_shared
    from {{ ref('int_sessions') }}
    where not is_shared
    union all
    -- Of the few that several users share, each user's part.
    select
        user_id,
        session_id,
        max(case when event_type = 'checkout' then 1 else 0 end) = 1 as has_checkout,
        true as is_shared
    from {{ ref('dim_events') }}
    where
        session_id in (
            select session_id from {{ ref('int_sessions') }}
            where is_shared
        )
    group by user_id, session_id
),

users_by_sessions as (
    select
        user_id,
        count(case when not is_shared then 1 end) as own_sessions,
        count(case when not is_shared and has_checkout then 1 end) as own_sessions_with_checkout,
        row_number() over (order by count(*) desc, user_id) as nth_most_active
    from sessions
    group by user_id
),

own as (
    select
        coalesce(sum(own_sessions), 0) as sessions,
        coalesce(sum(own_sessions_with_checkout), 0) as sessions_with_checkout,
        coalesce(sum(case when nth_most_active > 1 then own_sessions end), 0) as sessions_without_top_user,
        coalesce(sum(case when nth_most_active > 1 then own_sessions_with_checkout end), 0)
            as sessions_with_checkout_without_top_user
    from users_by_sessions
),

shared as (
    select
        count(distinct sessions.session_id) as sessions,
        count(distinct case when sessions.has_checkout then sessions.session_id end) as sessions_with_checkout,
        count(distinct case when users_by_sessions.nth_most_active > 1 then sessions.session_id end)
            as sessions_without_top_user,
        count(distinct case
            when users_by_sessions.nth_most_active > 1 and sessions.has_checkout then sessions.session_id
        end) as sessions_with_checkout_without_top_user
    from sessions
    inner join users_by_sessions
        on sessions.user_id = users_by_sessions.user_id
    where sessions.is_shared
),

counted as (
    select
        own.sessions + shared.sessions as sessions,
        own.sessions_with_checkout + shared.sessions_with_checkout as sessions_with_checkout,
        own.sessions_without_top_user + shared.sessions_without_top_user as sessions_without_top_user,
        own.sessions_with_checkout_without_top_user + shared.sessions_with_checkout_without_top_user
            as sessions_with_checkout_without_top_user
    from own
    cross join shared
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
