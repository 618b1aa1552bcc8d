-- A row that points nowhere stops here: the tables it refers to, and what those refer to, are checked first.
-- depends_on: {{ ref('stg_addresses') }}
{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'key': ['user_id'], 'since': 'created_at', 'notes': 'users'},
) }}
{{ loaded_rows(
    'users',
    columns={
        'user_id': 'user_id',
        'first_name': 'first_name',
        'last_name': 'last_name',
        'email': 'email',
        'phone_number': 'phone_number',
        'created_at': 'created_at',
        'updated_at': 'updated_at',
        'address_id': 'address_id',
    },
    moment='created_at',
) }}
