select orders.*
from {{ arrived('orders', failing_by='order_id') }} as orders
left join {{ ref('stg_users') }} as users
    on orders.user_id = users.user_id
where users.user_id is null
