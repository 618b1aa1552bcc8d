{% set in_question_orders = in_question('order_id', ['orders', 'events'], of='orders') %}
{# Nearly always the checkout is near; only where one is missing there, all events are looked through. #}
{% set missing_nearby %}
    select count(*)
    from {{ ref('stg_orders') }} as orders
    where
        orders.order_id is not null
        and {{ in_question_orders }}
        and not exists (
            select 1
            from {{ ref('stg_events') }} as events
            where
                events.order_id = orders.order_id
                and events.event_type = 'checkout'
                and {{ in_question('order_id', ['orders', 'events'], since='created_at', of='events') }}
        )
{% endset %}
{% set is_complete = looks_at_new() and row_of(missing_nearby)[0] | int == 0 %}
select orders.*
from {{ ref('stg_orders') }} as orders
where
    orders.order_id is not null
    and {{ 'false' if is_complete else in_question_orders }}
    and not exists (
        select 1
        from {{ ref('stg_events') }} as events
        where
            events.order_id = orders.order_id
            and events.event_type = 'checkout'
    )
