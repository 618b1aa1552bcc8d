select page_views.*
from {{ ref('int_page_views') }} as page_views
where
    page_views.order_id is null
    and {{ in_affected_days('page_views.session_date', of='sessions') }}
    and page_views.session_id in (
        select checkouts.session_id
        from {{ ref('int_page_views') }} as checkouts
        where
            checkouts.event_type = 'checkout'
            and {{ in_affected_days('checkouts.session_date', of='sessions') }}
    )
