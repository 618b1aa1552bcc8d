{% snapshot inventory_snapshot %}
    {{ config(
        unique_key='product_id',
        strategy='check',
        check_cols=['inventory'],
        updated_at='seen_at',
    ) }}
    with runs as (
        select max(started_at) as seen_at
        from {{ landing('dbt_runs') }}
    )

    select
        products.product_id,
        products.name,
        products.inventory,
        runs.seen_at
    from {{ ref('dim_products') }} as products
    cross join runs
{% endsnapshot %}
