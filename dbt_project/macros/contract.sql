{# As dbt's own, which stops a model whose columns are not those of its YAML. It also reports what differs to Dagster: names and types, no rows. #}
{% macro default__get_assert_columns_equivalent(sql) -%}
    {%- set written = format_columns(get_column_schema_from_query(sql, config.get('sql_header'))) -%}
    {%- set described = format_columns(get_column_schema_from_query(get_empty_schema_sql(model.columns))) -%}
    {%- set both = [written | map(attribute='formatted') | sort, described | map(attribute='formatted') | sort] -%}
    {%- if both[0] != both[1] -%}
        {%- if env_var('DAGSTER_DBT_CLI', '') -%} {%- do log('greenery_contract=' ~ tojson([model.patch_path] + both), info=true) -%} {%- endif -%}
        {%- do exceptions.raise_contract_error(described, written) -%}
    {%- endif -%}
{%- endmacro %}
