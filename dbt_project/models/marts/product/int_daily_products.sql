{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'product_days', 'by': 'day'}]},
) }}
{% set began = is_touched('product_days', by='cast(started_at as date)', since='started_at') %}
{% set bought %}
    select
        order_events.session_id,
        items.product_id,
        order_events.first_event_at
    from {{ ref('int_order_events') }} as order_events
    inner join {{ ref('dim_order_items') }} as items
        on order_events.order_id = items.order_id
    where order_events.number_of_checkouts > 0
{% endset %}
{% if loads_to_see().all %}
    {% set bought = once(bought) %}
    {% set touched, touched_orders = in_chunk('session_id', 'created_at'), in_chunk('session_id', 'first_event_at') %}
{% else %}
    {% set sessions = 'session_id in (select session_id from ' ~ ref('int_sessions') ~ ' where ' ~ began ~ ')' %}
    {% set since = row_of('select min(started_at) from ' ~ ref('int_sessions') ~ ' where ' ~ began)[0] %}
    {% set touched = sessions ~ not_before('created_at', since) %}
    {% set touched_orders = sessions ~ not_before('first_event_at', since) %}
{% endif %}
-- One pass that conversion and funnel by product both read. What was bought is in the items of the session's order.
-- 1 stands for viewed, 2 for added and 4 for bought: one number to combine costs less than three.
with bought as (
    {{ bought }}
),

touches as (
    select
        session_id,
        product_id,
        case when event_type = 'page_view' then 1 else 2 end as kinds
    from {{ ref('dim_events') }}
    where
        event_type in ('page_view', 'add_to_cart')
        and product_id is not null
        and {{ touched }}
    union all
    select
        session_id,
        product_id,
        4 as kinds
    from bought
    where {{ touched_orders }}
),

session_products as (
    select
        session_id,
        product_id,
        bit_or(kinds) as kinds
    from touches
    group by session_id, product_id
)

select
    cast(sessions.started_at as date) as day,
    session_products.product_id,
    cast(count(*) as integer) as sessions_touched,
    cast(count(case when session_products.kinds in (1, 3, 5, 7) then 1 end) as integer) as sessions_viewed,
    cast(count(case when session_products.kinds >= 2 then 1 end) as integer) as sessions_added,
    cast(count(case when session_products.kinds >= 4 then 1 end) as integer) as sessions_bought
from session_products
inner join {{ ref('int_sessions') }} as sessions
    on session_products.session_id = sessions.session_id
where {{ is_touched(
    'product_days', by='cast(sessions.started_at as date)', since='sessions.started_at',
    in_full=began_in_chunk('sessions.started_at')
) }}
group by cast(sessions.started_at as date), session_products.product_id
