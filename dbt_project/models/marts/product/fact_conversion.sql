-- A bot or a broken client can outweigh everybody else, so the rate is also given without the one
-- user who has the most sessions (the lowest user_id where several do).
with users as (
    select
        user_id,
        count(*) as sessions,
        count(case when has_checkout then 1 end) as sessions_with_checkout,
        row_number() over (order by count(*) desc, user_id) as nth
    from {{ ref('int_sessions') }}
    group by user_id
),

counted as (
    select
        coalesce(sum(sessions), 0) as sessions,
        coalesce(sum(sessions_with_checkout), 0) as sessions_with_checkout,
        coalesce(sum(case when nth > 1 then sessions end), 0) as sessions_without_top_user,
        coalesce(sum(case when nth > 1 then sessions_with_checkout end), 0) as sessions_with_checkout_without_top_user
    from users
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
