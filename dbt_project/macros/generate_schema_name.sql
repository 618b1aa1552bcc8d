{# Schema names are plain: analysts query core.fact_orders, not main_core.fact_orders. #}
{% macro generate_schema_name(custom_schema_name, node) -%} {{ (custom_schema_name or target.schema) | trim }} {%- endmacro %}
