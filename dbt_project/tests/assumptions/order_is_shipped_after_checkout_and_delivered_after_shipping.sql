select *
from {{ ref('int_user_orders') }}
where
    ship_date < order_date
    or order_delivered_date < ship_date
    or order_delivered_date < order_date
