-- An indicator measured after the second order explains itself: people who came back browsed more
-- because they came back. So each indicator has a moment at which it is judged (the first order for
-- browsing, the promised delivery for delivery), and only users who had not bought again by then count.
with buyers as (
    select
        user_id,
        browsing_seconds_to_first_order,
        sessions_without_checkout_to_first_order,
        first_order_date,
        first_order_estimated_delivery_at,
        {{ days_after('first_order_estimated_delivery_at', var('lost_after_days')) }} as first_order_lost_at,
        first_order_delivered_date,
        second_order_date
    from {{ ref('int_user_behaviour') }}
    where number_of_orders > 0
),

median_browsing as (
    select percentile_cont(0.5) within group (order by browsing_seconds_to_first_order) as seconds
    from buyers
),

data_end as (
    select max(created_at) as known_until
    from {{ ref('dim_events') }}
),

observed as (
    select
        'browsed_longer' as indicator,
        buyers.user_id,
        buyers.first_order_date as judged_at,
        buyers.second_order_date,
        buyers.browsing_seconds_to_first_order > median_browsing.seconds as has_indicator
    from buyers
    cross join median_browsing
    union all
    select
        'browsed_without_buying' as indicator,
        user_id,
        first_order_date as judged_at,
        second_order_date,
        sessions_without_checkout_to_first_order > 0 as has_indicator
    from buyers
    union all
    select
        'under_a_minute_on_site' as indicator,
        user_id,
        first_order_date as judged_at,
        second_order_date,
        browsing_seconds_to_first_order < 60 as has_indicator
    from buyers
    union all
    select
        'package_never_received' as indicator,
        user_id,
        first_order_lost_at as judged_at,
        second_order_date,
        coalesce(first_order_delivered_date > first_order_lost_at, true) as has_indicator
    from buyers
    union all
    select
        'delivery_took_too_long' as indicator,
        user_id,
        first_order_estimated_delivery_at as judged_at,
        second_order_date,
        coalesce(first_order_delivered_date > first_order_estimated_delivery_at, true) as has_indicator
    from buyers
),

judged as (
    select
        observed.indicator,
        case when observed.has_indicator then 1 else 0 end as has_indicator,
        case when observed.second_order_date is not null then 1 else 0 end as bought_again,
        -- Orders may share a timestamp; one placed with the first is still a second order.
        case
            when
                observed.judged_at <= data_end.known_until
                and coalesce(observed.second_order_date >= observed.judged_at, true)
                then 1
            else 0
        end as is_judged
    from observed
    cross join data_end
),

indicators as (
    select
        1 as indicator_number,
        'browsed_longer' as indicator
    union all
    select
        2 as indicator_number,
        'browsed_without_buying' as indicator
    union all
    select
        3 as indicator_number,
        'under_a_minute_on_site' as indicator
    union all
    select
        4 as indicator_number,
        'package_never_received' as indicator
    union all
    select
        5 as indicator_number,
        'delivery_took_too_long' as indicator
),

counted as (
    select
        indicators.indicator_number,
        indicators.indicator,
        coalesce(sum(judged.is_judged * judged.has_indicator), 0) as users_with,
        coalesce(sum(judged.is_judged * (1 - judged.has_indicator)), 0) as users_without,
        coalesce(sum(1 - judged.is_judged), 0) as users_not_judged,
        coalesce(sum(judged.is_judged * judged.has_indicator * judged.bought_again), 0) as repeat_users_with,
        coalesce(
            sum(judged.is_judged * (1 - judged.has_indicator) * judged.bought_again), 0
        ) as repeat_users_without
    from indicators
    left join judged
        on indicators.indicator = judged.indicator
    group by indicators.indicator_number, indicators.indicator
),

shares as (
    select
        indicator_number,
        indicator,
        users_with,
        users_without,
        users_not_judged,
        repeat_users_with,
        repeat_users_without,
        {{ share('repeat_users_with', 'users_with') }} as repeat_share_with,
        {{ share('repeat_users_without', 'users_without') }} as repeat_share_without,
        {{ wilson_bound('repeat_users_with', 'users_with', '-') }} as with_low,
        {{ wilson_bound('repeat_users_with', 'users_with', '+') }} as with_high,
        {{ wilson_bound('repeat_users_without', 'users_without', '-') }} as without_low,
        {{ wilson_bound('repeat_users_without', 'users_without', '+') }} as without_high
    from counted
)

-- Newcombe's interval of a difference between two shares, built from the two Wilson intervals.
select
    cast(indicator_number as integer) as indicator_number,
    indicator,
    cast(users_with as integer) as users_with,
    cast(users_without as integer) as users_without,
    cast(users_not_judged as integer) as users_not_judged,
    cast(repeat_users_with as integer) as repeat_users_with,
    cast(repeat_users_without as integer) as repeat_users_without,
    repeat_share_with,
    repeat_share_without,
    repeat_share_with - repeat_share_without as difference,
    repeat_share_with - repeat_share_without - sqrt(
        (repeat_share_with - with_low) * (repeat_share_with - with_low)
        + (without_high - repeat_share_without) * (without_high - repeat_share_without)
    ) as difference_low,
    repeat_share_with - repeat_share_without + sqrt(
        (with_high - repeat_share_with) * (with_high - repeat_share_with)
        + (repeat_share_without - without_low) * (repeat_share_without - without_low)
    ) as difference_high
from shares
