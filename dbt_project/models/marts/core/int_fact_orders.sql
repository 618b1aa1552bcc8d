{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': [
        {'kind': 'order_users', 'by': 'user_id'},
        {'kind': 'order_states', 'by': 'order_id', 'since': 'order_date'},
    ]},
) }}
with orders as (
    select
        user_id,
        order_id,
        order_date,
        status,
        order_total,
        promo_id
    from {{ ref('dim_orders') }}
    where {{ is_touched('order_users', by='user_id') }}
),

items as (
    select
        order_id,
        sum(quantity) as number_of_items
    from {{ ref('dim_order_items') }}
    where {{ is_touched('ordered', by='order_id') }}
    group by order_id
    {% if not loads_to_see().all %}
        union all
        select
            order_id,
            number_of_items
        from {{ this }}
        where
            {{ is_touched('order_users', by='user_id') }}
            and not ({{ is_touched('ordered', by='order_id') }})
    {% endif %}
)

select
    orders.user_id,
    orders.order_id,
    orders.order_date,
    min(orders.order_date) over (partition by orders.user_id) as first_order_date,
    max(orders.order_date) over (partition by orders.user_id) as last_order_date,
    orders.status,
    orders.order_total,
    orders.promo_id,
    cast(coalesce(items.number_of_items, 0) as integer) as number_of_items
from orders
left join items
    on orders.order_id = items.order_id
{% if not loads_to_see().all %}
    union all
    -- Of an order that is only in another state, nothing else can have changed.
    select
        held.user_id,
        held.order_id,
        held.order_date,
        held.first_order_date,
        held.last_order_date,
        orders.status,
        held.order_total,
        held.promo_id,
        held.number_of_items
    from {{ this }} as held
    inner join {{ ref('dim_orders') }} as orders
        on held.order_id = orders.order_id
    where
        {{ is_touched('order_states', by='held.order_id', since='held.order_date') }}
        and {{ is_touched('order_states', by='orders.order_id', since='orders.order_date') }}
        and not ({{ is_touched('order_users', by='held.user_id') }})
{% endif %}
