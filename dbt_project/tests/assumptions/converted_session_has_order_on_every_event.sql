with converted as (
    select distinct session_id
    from {{ ref('int_page_views') }}
    where
        event_type = 'checkout'
        and {{ touched_lately('int_page_views', 'sessions', by='session_id', since='start_time') }}
)

select page_views.*
from {{ ref('int_page_views') }} as page_views
inner join converted
    on page_views.session_id = converted.session_id
where
    page_views.order_id is null
    and {{ touched_lately('int_page_views', 'sessions', by='page_views.session_id', since='page_views.start_time') }}
