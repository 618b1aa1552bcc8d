{% set condition %}
    (event_type in ('checkout', 'package_shipped') and order_id is null)
    or (event_type not in ('checkout', 'package_shipped') and order_id is not null)
{% endset %}
{{ rows_that(arrived('events', failing_by='event_id'), condition) }}
