{% snapshot orders_snapshot %}
    {{ config(
        unique_key='order_id',
        strategy='check',
        check_cols=['status', 'tracking_id', 'estimated_delivery_at', 'delivered_at', 'order_date'],
    ) }}
    select *
    from {{ ref('dim_orders') }}
    where {{ in_affected_days('order_date', of='order_rows') }}
{% endsnapshot %}
