with repeated as (
    select order_id
    from {{ ref('stg_events') }}
    where
        event_type = 'package_shipped'
        and order_id in (
            select recent.order_id
            from {{ ref('stg_events') }} as recent
            where
                recent.event_type = 'package_shipped'
                and {{ in_affected_days('recent.created_at', of='events') }}
        )
    group by order_id
    having count(*) > 1
)

select events.*
from {{ ref('stg_events') }} as events
inner join repeated
    on events.order_id = repeated.order_id
where events.event_type = 'package_shipped'
