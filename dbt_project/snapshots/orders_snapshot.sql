{% snapshot orders_snapshot %}
    {{ config(
        unique_key='order_id',
        strategy='check',
        check_cols=['status', 'tracking_id', 'estimated_delivery_at', 'delivered_at', 'order_date'],
        updated_at='seen_at',
    ) }}
    with runs as (
        select max(started_at) as seen_at
        from {{ landing('dbt_runs') }}
    )

    select
        orders.order_id,
        orders.user_id,
        orders.promo_id,
        orders.address_id,
        orders.order_date,
        orders.order_cost,
        orders.shipping_cost,
        orders.order_total,
        orders.tracking_id,
        orders.shipping_service,
        orders.estimated_delivery_at,
        orders.delivered_at,
        orders.status,
        runs.seen_at
    from {{ ref('dim_orders') }} as orders
    cross join runs
    where {{ in_affected_days('orders.order_date', of='order_rows') }}
{% endsnapshot %}
