-- depends_on: {{ ref('int_sessions') }}
-- depends_on: {{ ref('int_order_events') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': {'kind': 'sessions_and_purchases', 'by': 'session_id', 'since': 'first_date'}, 'notes': 'first_date', 'chunked': true},
) }}
{% set touched = is_touched('sessions_and_purchases', by='session_id', since='created_at') %}
-- One pass that conversion and funnel by product both read.
with browsed as (
    select
        session_id,
        product_id,
        min(created_at) as first_at,
        max(case when event_type = 'page_view' then 1 else 0 end) as viewed,
        max(case when event_type = 'add_to_cart' then 1 else 0 end) as added,
        0 as bought
    from {{ ref('dim_events') }}
    where
        event_type in ('page_view', 'add_to_cart')
        and product_id is not null
        and {{ touched }}
    group by session_id, product_id
),

checkouts as (
    select
        session_id,
        order_id,
        created_at
    from {{ ref('dim_events') }}
    where
        event_type = 'checkout'
        and {{ touched }}
),

bought as (
    select
        checkouts.session_id,
        items.product_id,
        min(checkouts.created_at) as first_at,
        0 as viewed,
        0 as added,
        1 as bought
    from checkouts
    inner join {{ ref('dim_order_items') }} as items
        on checkouts.order_id = items.order_id
    group by checkouts.session_id, items.product_id
),

touched as (
    select
        session_id,
        product_id,
        first_at,
        viewed,
        added,
        bought
    from browsed
    union all
    select
        session_id,
        product_id,
        first_at,
        viewed,
        added,
        bought
    from bought
)

select
    session_id,
    product_id,
    cast(min(first_at) as date) as first_date,
    max(viewed) = 1 as is_viewed,
    max(added) = 1 as is_added,
    max(bought) = 1 as is_bought
from touched
group by session_id, product_id
