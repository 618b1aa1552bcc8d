with converted as (
    select distinct session_id
    from {{ ref('int_page_views') }}
    where event_type = 'checkout'
)

select page_views.*
from {{ ref('int_page_views') }} as page_views
inner join converted
    on page_views.session_id = converted.session_id
where page_views.order_id is null
