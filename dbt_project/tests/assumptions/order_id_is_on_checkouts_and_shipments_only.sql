select events.*
from {{ arrived('events', failing_by='event_id') }} as events
where
    (events.event_type in ('checkout', 'package_shipped') and events.order_id is null)
    or (events.event_type not in ('checkout', 'package_shipped') and events.order_id is not null)
