-- Hours in which nothing happened count too, or a mean an hour would be too high. Those before the first session or
-- order and after the last one do not.
with happened as (
    select
        cast(order_date as date) as day,
        extract(hour from order_date) as hour_of_day,
        1 as orders,
        0 as sessions
    from {{ ref('fact_orders') }}
    union all
    select
        session_date as day,
        extract(hour from started_at) as hour_of_day,
        0 as orders,
        1 as sessions
    from {{ ref('int_sessions') }}
),

hours as (
    select
        daily.day,
        clock.hour_of_day,
        coalesce(sum(happened.orders), 0) as orders,
        coalesce(sum(happened.sessions), 0) as sessions
    from {{ ref('fact_daily') }} as daily
    cross join (
        values
        (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
        (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)
    ) as clock (hour_of_day)
    left join happened
        on
            daily.day = happened.day
            and clock.hour_of_day = happened.hour_of_day
    group by daily.day, clock.hour_of_day
),

placed as (
    select
        *,
        sum(orders + sessions) over (order by day, hour_of_day) as so_far,
        sum(orders + sessions) over (order by day desc, hour_of_day desc) as from_here
    from hours
)

select
    day,
    hour_of_day,
    cast(orders as integer) as orders,
    cast(sessions as integer) as sessions
from placed
where so_far > 0 and from_here > 0
