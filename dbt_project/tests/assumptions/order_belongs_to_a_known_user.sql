{{ rows_that(
    arrived('orders', failing_by='order_id'),
    is_missing_from(['user_id'], ref('stg_users'), ['user_id']),
) }}
