select events.*
from {{ arrived('events', failing_by='event_id') }} as events
where
    (
        events.event_type in ('page_view', 'add_to_cart')
        and events.product_id is not null
        and {{ last_url_part('page_url') }} <> cast(events.product_id as {{ dbt.type_string() }})
    )
    or (
        events.event_type in ('checkout', 'package_shipped')
        and events.order_id is not null
        and {{ last_url_part('page_url') }} <> cast(events.order_id as {{ dbt.type_string() }})
    )
    or (events.page_url is null and events.event_type is not null)
