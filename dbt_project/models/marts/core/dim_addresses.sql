{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    meta={'key': ['address_id']},
) }}
{{ loaded_rows(
    'addresses',
    columns={
        'address_id': 'address_id',
        'address': 'address',
        'zipcode': 'zipcode',
        'state': 'state',
        'country': 'country',
    },
) }}
