with facts as (
    select
        orders.order_id,
        orders.status,
        orders.delivered_at,
        orders.tracking_id,
        coalesce(
            orders.order_id in (
                select events.order_id
                from {{ ref('stg_events') }} as events
                where
                    events.event_type = 'package_shipped'
                    and events.order_id is not null
                    and {{ in_question('order_id', ['orders', 'events'], since='created_at', of='events') }}
            ),
            false
        ) as is_shipped
    from {{ arrived_or_named('orders', 'order_id', by='events') }} as orders
)

select *
from facts
where
    (status = 'preparing' and (tracking_id is not null or is_shipped or delivered_at is not null))
    or (status = 'shipped' and (not is_shipped or delivered_at is not null))
    or (status = 'delivered' and (not is_shipped or delivered_at is null))
