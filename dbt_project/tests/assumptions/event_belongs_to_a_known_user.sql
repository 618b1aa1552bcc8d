{{ rows_that(
    arrived('events', failing_by='event_id'),
    is_missing_from(['user_id'], ref('stg_users'), ['user_id']),
) }}
