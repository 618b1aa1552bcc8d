{#
    Tells Dagster, while dbt still runs, what was just built: its columns and its parents' columns
    (in the form dagster-dbt reads to draw column lineage) and its number of rows. Asking the
    warehouse afterwards would keep every event back until dbt has let go of the file.
#}
{% macro log_built_relation() %}
    {% if execute and env_var('DAGSTER_DBT_CLI', '') %}
        {% set parents = {} %}
        {% for unique_id in model.depends_on.nodes %}
            {% set node = graph.nodes.get(unique_id) or graph.sources[unique_id] %}
            {% set parent = api.Relation.create(
                database=node.database, schema=node.schema, identifier=node.alias or node.identifier
            ) %}
            {% do parents.update({parent | string: {'columns': column_types(parent)}}) %}
        {% endfor %}
        {% do log(tojson({'columns': column_types(this), 'parents': parents}), info=true) %}
        {% set rows = run_query('select count(*) as number_of_rows from ' ~ this) %}
        {% do log('greenery_row_count=' ~ rows.columns[0].values()[0], info=true) %}
    {% endif %}
{% endmacro %}

{# Column name -> {'data_type': ...} of a relation that exists. #}
{% macro column_types(relation) %}
    {% set types = {} %}
    {% for column in adapter.get_columns_in_relation(relation) %}
        {% do types.update({column.name: {'data_type': column.dtype}}) %}
    {% endfor %}
    {{ return(types) }}
{% endmacro %}
