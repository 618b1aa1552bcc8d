select orders.*
from {{ ref('stg_orders') }} as orders
where
    {{ in_affected_days('orders.created_at', of='order_rows', parents=['users']) }}
    and not exists (
        select 1
        from {{ ref('stg_users') }} as users
        where users.user_id = orders.user_id
    )
