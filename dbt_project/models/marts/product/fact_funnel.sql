with sessions as (
    select
        session_id,
        max(case when event_type in ('add_to_cart', 'checkout') then 1 else 0 end) as has_cart,
        max(case when event_type = 'checkout' then 1 else 0 end) as has_checkout
    from {{ ref('dim_events') }}
    group by session_id
),

steps as (
    select
        1 as step_number,
        'visited' as step,
        count(*) as sessions
    from sessions
    union all
    select
        2 as step_number,
        'added_to_cart' as step,
        count(case when has_cart = 1 then 1 end) as sessions
    from sessions
    union all
    select
        3 as step_number,
        'checked_out' as step,
        count(case when has_checkout = 1 then 1 end) as sessions
    from sessions
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
