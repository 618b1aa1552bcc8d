select *
from {{ ref('stg_events') }}
where
    {{ in_affected_days('created_at', of='events') }}
    and (
        (
            event_type in ('page_view', 'add_to_cart')
            and product_id is not null
            and not {{ ends_with("'/' || page_url", "'/' || cast(product_id as " ~ dbt.type_string() ~ ")") }}
        )
        or (
            event_type in ('checkout', 'package_shipped')
            and order_id is not null
            and not {{ ends_with("'/' || page_url", "'/' || cast(order_id as " ~ dbt.type_string() ~ ")") }}
        )
        or (page_url is null and event_type is not null)
    )
