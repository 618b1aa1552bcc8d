select *
from {{ ref('stg_events') }}
where
    {{ in_affected_days('created_at', of='events') }}
    and (
        (event_type in ('checkout', 'package_shipped') and order_id is null)
        or (event_type not in ('checkout', 'package_shipped') and order_id is not null)
    )
