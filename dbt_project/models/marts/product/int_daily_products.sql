{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'touched': {'kind': 'product_days', 'by': 'day'}},
) }}
select
    first_date as day,
    product_id,
    cast(count(*) as integer) as sessions_touched,
    cast(count(case when is_viewed then 1 end) as integer) as sessions_viewed,
    cast(count(case when is_added or is_bought then 1 end) as integer) as sessions_added,
    cast(count(case when is_bought then 1 end) as integer) as sessions_bought
from {{ ref('int_session_products') }}
where {{ is_touched('product_days', by='first_date', since='first_date') }}
group by first_date, product_id
