{% set condition %}
    order_id is null
    and {{ touched_lately('int_page_views', 'sessions', by='session_id', since='start_time') }}
    and session_id in (
        select session_id
        from {{ ref('int_page_views') }}
        where
            event_type = 'checkout'
            and session_id is not null
            and {{ touched_lately('int_page_views', 'sessions', by='session_id', since='start_time') }}
    )
{% endset %}
{{ rows_that(ref('int_page_views'), condition) }}
