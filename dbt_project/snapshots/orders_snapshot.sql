{% snapshot orders_snapshot %}
    {{ config(
        unique_key='order_id',
        strategy='check',
        check_cols=['status', 'tracking_id', 'estimated_delivery_at', 'delivered_at', 'order_date'],
        meta={'touched': [{'kind': 'order_rows', 'since': 'order_date'}]},
    ) }}
    select *
    from {{ ref('dim_orders') }}
    where {{ is_touched('order_rows', by='order_id', since='order_date') }}
{% endsnapshot %}
