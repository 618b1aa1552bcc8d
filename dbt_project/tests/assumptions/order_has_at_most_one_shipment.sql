with repeated as (
    select order_id
    from {{ ref('stg_events') }}
    where
        event_type = 'package_shipped'
        and {{ in_question('order_id', ['events']) }}
    group by order_id
    having count(*) > 1
)

select events.*
from {{ ref('stg_events') }} as events
inner join repeated
    on events.order_id = repeated.order_id
where
    events.event_type = 'package_shipped'
    and {{ in_question('order_id', ['events'], of='events') }}
