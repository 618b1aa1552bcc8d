select *
from {{ ref('int_user_orders') }}
where
    {{ in_affected_days('order_date', of='orders') }}
    and (
        ship_date < order_date
        or order_delivered_date < ship_date
        or order_delivered_date < order_date
    )
