-- A bot or a broken client can outweigh everybody else, so the rate is also given without the one
-- user who has the most sessions (the lowest user_id where several do).
with shared_sessions as (
    -- Of the few that several users share, each user's part.
    select
        user_id,
        session_id,
        max(case when event_type = 'checkout' then 1 else 0 end) = 1 as has_checkout
    from {{ ref('dim_events') }}
    where
        session_id in (
            select session_id from {{ ref('int_sessions') }}
            where is_shared
        )
    group by user_id, session_id
),

parts as (
    select
        user_id,
        sessions
    from {{ ref('int_user_visits') }}
    union all
    select
        user_id,
        count(*) as sessions
    from shared_sessions
    group by user_id
),

totals as (
    select
        user_id,
        sum(sessions) as sessions
    from parts
    group by user_id
),

most_active as (
    select
        user_id,
        row_number() over (order by user_id) as nth
    from totals
    where sessions = (select max(everybody.sessions) from totals as everybody)
),

own as (
    select
        coalesce(sum(visits.sessions), 0) as sessions,
        coalesce(sum(visits.sessions_with_checkout), 0) as sessions_with_checkout,
        coalesce(sum(case when most_active.user_id is null then visits.sessions end), 0) as sessions_without_top_user,
        coalesce(sum(case when most_active.user_id is null then visits.sessions_with_checkout end), 0)
            as sessions_with_checkout_without_top_user
    from {{ ref('int_user_visits') }} as visits
    left join most_active
        on
            visits.user_id = most_active.user_id
            and most_active.nth = 1
),

shared as (
    select
        count(distinct sessions.session_id) as sessions,
        count(distinct case when sessions.has_checkout then sessions.session_id end) as sessions_with_checkout,
        count(distinct case when most_active.user_id is null then sessions.session_id end)
            as sessions_without_top_user,
        count(distinct case when most_active.user_id is null and sessions.has_checkout then sessions.session_id end)
            as sessions_with_checkout_without_top_user
    from shared_sessions as sessions
    left join most_active
        on
            sessions.user_id = most_active.user_id
            and most_active.nth = 1
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
