{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'users', 'by': 'user_id'}]},
) }}
{% set loads = loads_to_see() %}
{% set only_touched = 'true' if loads.all else 'user_id in (select user_id from touched_users)' %}
{% set news = landing('changed_user_sessions') %}
{#
    After a load a user's sums are what they were and the difference that the load made. The sessions themselves are
    read only of users who are new here, whose first order is another, or who have news of a session from before it.
#}
{% set read_anew %}
    select
        touched_users.user_id,
        first_orders.first_order_date
    from touched_users
    left join {{ this }} as held
        on touched_users.user_id = held.user_id
    left join first_orders
        on touched_users.user_id = first_orders.user_id
    left join (
        select
            sessions.user_id,
            min(sessions.since) as since
        from {{ news }} as sessions
        where {{ in_loads(loads, 'sessions') }}
        group by sessions.user_id
    ) as news
        on touched_users.user_id = news.user_id
    where
        held.user_id is null
        or held.first_order_date is distinct from first_orders.first_order_date
        or news.since <= first_orders.first_order_date
{% endset %}
{# Their sessions around the first order begin no earlier than this, as a constant, to read no older events. #}
{% set since = none %}
{% if not loads.all %}
    {% set query %}
        with touched_users as ({{ touched_ids('users', loads).ids }}),

        first_orders as (
            select
                user_id,
                min(order_date) as first_order_date
            from {{ ref('int_user_orders') }}
            where user_id in (select user_id from touched_users)
            group by user_id
        ),

        read_anew as ({{ read_anew }})

        select min(sessions.browsing_started_at)
        from {{ ref('int_user_sessions') }} as sessions
        inner join read_anew
            on sessions.user_id = read_anew.user_id
        where
            sessions.browsing_started_at <= read_anew.first_order_date
            and sessions.browsing_ended_at > read_anew.first_order_date
    {% endset %}
    {% set since = row_of(query)[0] or 'infinity' %}
{% endif %}
with {% if not loads.all %} touched_users as ({{ touched_ids('users', loads).ids }}), {% endif %}
orders as (
    select
        user_id,
        order_id,
        order_date,
        order_delivered_date,
        estimated_delivery_at,
        row_number() over (partition by user_id order by order_date, order_id) as nth_order
    from {{ ref('int_user_orders') }}
    where {{ only_touched }}
),

first_orders as (
    select
        user_id,
        count(*) as number_of_orders,
        count(case when order_delivered_date > estimated_delivery_at then 1 end) as number_of_orders_late,
        count(case when order_delivered_date is null then 1 end) as number_of_orders_undelivered,
        min(case when nth_order = 1 then order_date end) as first_order_date,
        min(case when nth_order = 1 then estimated_delivery_at end) as first_order_estimated_delivery_at,
        min(case when nth_order = 1 then order_delivered_date end) as first_order_delivered_date,
        min(case when nth_order = 2 then order_date end) as second_order_date
    from orders
    group by user_id
),

{% if not loads.all %}
    read_anew as ({{ read_anew }}),

{% endif %}
sessions as (
    select
        user_sessions.user_id,
        user_sessions.session_id,
        user_sessions.started_at,
        user_sessions.has_checkout,
        user_sessions.browsing_microseconds,
        first_orders.first_order_date,
        case
            when user_sessions.browsing_started_at > first_orders.first_order_date then 'after'
            when user_sessions.browsing_ended_at <= first_orders.first_order_date then 'before'
            when first_orders.first_order_date is not null then 'around'
        end as first_order
    from {{ ref('int_user_sessions') }} as user_sessions
    left join first_orders
        on user_sessions.user_id = first_orders.user_id
    {% if not loads.all %}
        where user_sessions.user_id in (select user_id from read_anew)
    {% endif %}
),

-- What was known of a user when the first order was placed: browsing up to that moment. Only of the session that it
-- was placed in do the single events matter.
page_views as (
    select
        page_views.user_id,
        page_views.session_id,
        page_views.event_type,
        page_views.start_time,
        page_views.stop_time,
        sessions.first_order_date
    from {{ ref('int_page_views') }} as page_views
    inner join sessions
        on
            page_views.user_id = sessions.user_id
            and page_views.session_id = sessions.session_id
    where
        sessions.first_order = 'around'
        and {{ "page_views.start_time >= cast('" ~ since ~ "' as timestamp)" if since else 'true' }}
),

shipments as (
    select distinct
        user_id,
        session_id,
        start_time
    from page_views
    where event_type = 'package_shipped'
),

browsing_around as (
    select
        page_views.user_id,
        sum({{ microseconds_between(
            'page_views.start_time', 'least(page_views.stop_time, page_views.first_order_date)'
        ) }}) as browsing_microseconds
    from page_views
    left join shipments
        on
            page_views.user_id = shipments.user_id
            and page_views.session_id = shipments.session_id
            and page_views.stop_time = shipments.start_time
    where
        page_views.event_type in ('page_view', 'add_to_cart')
        and page_views.start_time <= page_views.first_order_date
        and page_views.stop_time is not null
        and shipments.session_id is null
    group by page_views.user_id
),

sums as (
    select
        user_id,
        count(*) as number_of_sessions,
        count(case when coalesce(browsing_microseconds, 0) < 60000000 then 1 end) as sessions_under_a_minute,
        cast(coalesce(sum(browsing_microseconds), 0) as bigint) as browsing_microseconds,
        cast(coalesce(sum(case when first_order = 'before' then browsing_microseconds end), 0) as bigint)
            as browsing_microseconds_before,
        count(case when started_at <= first_order_date and not has_checkout then 1 end)
            as sessions_without_checkout_to_first_order
    from sessions
    group by user_id
    {% if loads.upto is defined %}
        -- What is in the table of sessions already, and in no load that this model has come to.
        union all
        select
            ahead.user_id,
            -ahead.sessions as number_of_sessions,
            -ahead.sessions_under_a_minute as sessions_under_a_minute,
            -ahead.browsing_microseconds as browsing_microseconds,
            0 as browsing_microseconds_before,
            0 as sessions_without_checkout_to_first_order
        from {{ news }} as ahead
        where
            ahead.load_id > {{ loads.upto }}
            {% if not loads.all %} and ahead.user_id in (select read_anew.user_id from read_anew) {% endif %}
    {% endif %}
    {% if not loads.all %}
        union all
        select
            held.user_id,
            held.number_of_sessions,
            held.sessions_under_a_minute,
            cast(round(held.browsing_seconds * 1000000) as bigint) as browsing_microseconds,
            cast(round(coalesce(held.browsing_seconds_to_first_order, 0) * 1000000) as bigint)
                as browsing_microseconds_before,
            coalesce(held.sessions_without_checkout_to_first_order, 0) as sessions_without_checkout_to_first_order
        from {{ this }} as held
        where
            held.user_id in (select user_id from touched_users)
            and held.user_id not in (select user_id from read_anew)
        union all
        select
            changes.user_id,
            changes.sessions as number_of_sessions,
            changes.sessions_under_a_minute,
            changes.browsing_microseconds,
            0 as browsing_microseconds_before,
            0 as sessions_without_checkout_to_first_order
        from {{ news }} as changes
        where {{ in_loads(loads, 'changes') }} and changes.user_id not in (select user_id from read_anew)
    {% endif %}
),

user_sessions as (
    select
        user_id,
        sum(number_of_sessions) as number_of_sessions,
        sum(sessions_under_a_minute) as sessions_under_a_minute,
        sum(browsing_microseconds) as browsing_microseconds,
        sum(browsing_microseconds_before) as browsing_microseconds_before,
        sum(sessions_without_checkout_to_first_order) as sessions_without_checkout_to_first_order
    from sums
    group by user_id
)

select
    users.user_id,
    cast(coalesce(user_sessions.number_of_sessions, 0) as integer) as number_of_sessions,
    cast(coalesce(user_sessions.browsing_microseconds, 0) as double precision) / 1000000 as browsing_seconds,
    cast(coalesce(user_sessions.sessions_under_a_minute, 0) as integer) as sessions_under_a_minute,
    cast(coalesce(first_orders.number_of_orders, 0) as integer) as number_of_orders,
    cast(coalesce(first_orders.number_of_orders_late, 0) as integer) as number_of_orders_late,
    cast(coalesce(first_orders.number_of_orders_undelivered, 0) as integer) as number_of_orders_undelivered,
    first_orders.first_order_date,
    first_orders.first_order_estimated_delivery_at,
    first_orders.first_order_delivered_date,
    case
        when first_orders.user_id is not null
            then cast(
                coalesce(user_sessions.browsing_microseconds_before, 0)
                + coalesce(browsing_around.browsing_microseconds, 0)
                as double precision
            ) / 1000000
    end as browsing_seconds_to_first_order,
    case
        when first_orders.user_id is not null
            then cast(coalesce(user_sessions.sessions_without_checkout_to_first_order, 0) as integer)
    end as sessions_without_checkout_to_first_order,
    first_orders.second_order_date
from {{ ref('dim_users') }} as users
left join user_sessions
    on users.user_id = user_sessions.user_id
left join browsing_around
    on users.user_id = browsing_around.user_id
left join first_orders
    on users.user_id = first_orders.user_id
{% if not loads.all %}
    where users.user_id in (select user_id from touched_users)
{% endif %}
