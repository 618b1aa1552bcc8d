-- The columns are those of the contract, models/sources.yml: the loader gives the raw table exactly these.
select *
from {{ source('raw', 'addresses') }}
