with counted as (
    select
        coalesce(sum(sessions), 0) as visited,
        coalesce(sum(sessions_with_cart), 0) as added_to_cart,
        coalesce(sum(sessions_with_checkout), 0) as checked_out
    from {{ ref('int_daily_traffic') }}
),

steps as (
    select
        1 as step_number,
        'visited' as step,
        visited as sessions
    from counted
    union all
    select
        2 as step_number,
        'added_to_cart' as step,
        added_to_cart as sessions
    from counted
    union all
    select
        3 as step_number,
        'checked_out' as step,
        checked_out as sessions
    from counted
)

select
    steps.step,
    cast(steps.step_number as integer) as step_number,
    cast(steps.sessions as integer) as sessions,
    cast(previous.sessions as integer) as previous_sessions,
    {{ share('previous.sessions - steps.sessions', 'previous.sessions') }} as drop_off
from steps
left join steps as previous
    on previous.step_number = steps.step_number - 1
