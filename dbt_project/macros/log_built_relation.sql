{#
    Reports to Dagster, while dbt still runs, what was just built: its number of rows and a few of them. Asking the
    warehouse afterwards would keep every event back until dbt has let go of the file.
#}
{% macro log_built_relation() %}
    {% if execute and env_var('DAGSTER_DBT_CLI', '') %} {% do log('greenery_built=' ~ tojson(rows_in_short(this, adapter.get_columns_in_relation(this))), info=true) %} {% endif %}
{% endmacro %}

{#
    The number of rows of a relation and the first few, as text: only the columns that Dagster says may be seen, by
    their types, and of text the values that it names (greenery_assets/privacy.py) and ids. Nothing else may get into
    dbt's log. #}
{% macro rows_in_short(relation, columns) %}
    {% set may_be_seen = fromjson(env_var('GREENERY_PREVIEW', '{"columns": {}, "types": [], "rows": 1}')) %}
    {% set shown = columns | selectattr('name', 'in', may_be_seen.columns) | list %}
    {% set query %}
        select (select count(*) from {{ relation }})
            {%- for column in shown %}, cast({{ column.quoted }} as {{ dbt.type_string() }}) as {{ column.quoted }}{% endfor %}
        from {{ relation }} limit {{ may_be_seen.rows }}
    {% endset %}
    {% set found = run_query(query) %}
    {% set preview = [] %}
    {% for row in found.rows %}
        {% set values = [] %}
        {% for column in shown %}
            {% set value = row[loop.index] %}
            {% set is_id = modules.re.fullmatch('[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', value | string) %}
            {% set is_seen = is_id or column.dtype.split('(')[0] | lower in may_be_seen.types or value in may_be_seen.columns[column.name] %}
            {% do values.append('' if value is none else value | string if is_seen else '[text]') %}
        {% endfor %}
        {% do preview.append(values) %}
    {% endfor %}
    {% set rows = found.rows[0][0] | int if found.rows else 0 %}
    {{ return({'rows': rows, 'columns': shown | map(attribute='name') | list, 'preview': preview}) }}
{% endmacro %}
