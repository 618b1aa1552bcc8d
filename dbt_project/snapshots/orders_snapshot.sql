{% snapshot orders_snapshot %}
    {{ config(
        unique_key='order_id',
        strategy='check',
        check_cols=['status', 'tracking_id', 'estimated_delivery_at', 'delivered_at'],
    ) }}
    select *
    from {{ ref('dim_orders') }}
    where {{ is_touched('order_states', by='order_id') }}
{% endsnapshot %}
