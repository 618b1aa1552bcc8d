select *
from {{ ref('int_user_orders') }}
where
    {{ touched_lately('int_user_orders', 'named_orders', by='order_id', since='order_date') }}
    and (
        ship_date < order_date
        or order_delivered_date < ship_date
        or order_delivered_date < order_date
    )
