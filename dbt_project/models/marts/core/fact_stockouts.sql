-- A run looks at the stock once: what was out of stock and back between two runs was not seen.
with states as (
    select
        product_id,
        inventory,
        dbt_valid_from,
        lag(inventory) over (partition by product_id order by dbt_valid_from) as previous_inventory,
        min(case when inventory > 0 or inventory is null then dbt_valid_from end) over (
            partition by product_id
            order by dbt_valid_from
            rows between 1 following and unbounded following
        ) as out_of_stock_until
    from {{ ref('inventory_snapshot') }}
)

select
    states.product_id,
    products.name as product_name,
    states.dbt_valid_from as out_of_stock_since,
    states.out_of_stock_until,
    states.out_of_stock_until is null as is_out_of_stock
from states
inner join {{ ref('dim_products') }} as products
    on states.product_id = products.product_id
where states.inventory <= 0 and coalesce(states.previous_inventory, 1) > 0
