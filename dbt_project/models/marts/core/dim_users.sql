-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_addresses') }}
select
    user_id,
    first_name,
    last_name,
    email,
    phone_number,
    created_at,
    updated_at,
    address_id
from {{ ref('stg_users') }}
