-- depends_on: {{ ref('int_order_events') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [{'kind': 'product_days', 'by': 'day'}]},
) }}
{% set began = is_touched('product_days', by='cast(started_at as date)', since='started_at') %}
{% if loads_to_see().all %}
    {% set touched = in_chunk('session_id', 'created_at') %}
{% else %}
    {% set touched %}
        session_id in (select session_id from {{ ref('int_sessions') }} where {{ began }})
        {{- not_before('created_at', row_of('select min(started_at) from ' ~ ref('int_sessions') ~ ' where ' ~ began)[0]) }}
    {% endset %}
{% endif %}
-- One pass that conversion and funnel by product both read. What was bought is in the items of the session's order.
with checkouts as (
    select
        session_id,
        order_id
    from {{ ref('dim_events') }}
    where
        event_type = 'checkout'
        and {{ touched }}
),

touches as (
    select
        session_id,
        product_id,
        case when event_type = 'page_view' then 1 else 0 end as viewed,
        case when event_type = 'add_to_cart' then 1 else 0 end as added,
        0 as bought
    from {{ ref('dim_events') }}
    where
        event_type in ('page_view', 'add_to_cart')
        and product_id is not null
        and {{ touched }}
    union all
    select
        checkouts.session_id,
        items.product_id,
        0 as viewed,
        0 as added,
        1 as bought
    from checkouts
    inner join {{ ref('dim_order_items') }} as items
        on checkouts.order_id = items.order_id
),

session_products as (
    select
        session_id,
        product_id,
        max(viewed) as viewed,
        max(added) as added,
        max(bought) as bought
    from touches
    group by session_id, product_id
)

select
    cast(sessions.started_at as date) as day,
    session_products.product_id,
    cast(count(*) as integer) as sessions_touched,
    cast(sum(session_products.viewed) as integer) as sessions_viewed,
    cast(sum(greatest(session_products.added, session_products.bought)) as integer) as sessions_added,
    cast(sum(session_products.bought) as integer) as sessions_bought
from session_products
inner join {{ ref('int_sessions') }} as sessions
    on session_products.session_id = sessions.session_id
where {{ is_touched(
    'product_days', by='cast(sessions.started_at as date)', since='sessions.started_at',
    in_full=began_in_chunk('sessions.started_at')
) }}
group by cast(sessions.started_at as date), session_products.product_id
