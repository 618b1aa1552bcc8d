{% set condition %}
    event_type = 'checkout'
    and order_id is not null
    and {{ is_missing_from(['order_id', 'user_id'], ref('stg_orders'), ['order_id', 'user_id']) }}
{% endset %}
{{ rows_that(arrived('events', failing_by='event_id'), condition) }}
