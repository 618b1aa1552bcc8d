{#
    Which days a check looks at: those that are rebuilt, and those of rows that failed before. As affected_days(); none
    where it looks at everything: on a full refresh, when asked, or as a parent changed.
#}
{% macro days_to_check(of, kept, parents) -%}
    {%- if flags.FULL_REFRESH or env_var('GREENERY_CHECKS', 'all') != 'new' -%} {{ return(none) }} {%- endif -%}
    {%- set days = affected_days(of) -%}
    {%- if days is none or some_file_changed(parents) or load_relation(this) is none -%} {{ return(none) }} {%- endif -%}
    {%- set names = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- if kept not in names -%}
        {{ return(none if run_query('select 1 from ' ~ this ~ ' limit 1').rows else days) }}
    {%- endif -%}
    {%- set query -%}
        select distinct cast(cast({{ kept }} as date) as {{ dbt.type_string() }}) from {{ this }} where {{ kept }} is not null
    {%- endset -%}
    {{ return(both(days, run_query(query).columns[0].values() | list)) }}
{%- endmacro %}

{# Whether a file of these source tables changed or went since every check looked last. #}
{% macro some_file_changed(tables) -%}
    {%- if not tables -%} {{ return(false) }} {%- endif -%}
    {%- set query -%}
        select path
        from {{ landing('files') }}
        where source_table in ('{{ tables | join("', '") }}')
        group by source_table, path
        having min(load_id) <= ({{ last_complete_run() }}) and max(load_id) > ({{ last_complete_run() }})
    {%- endset -%}
    {{ return(run_query(query).rows | length > 0) }}
{%- endmacro %}

{#
    dbt's own macro for the `where` of a test, which may also read "<column> on affected days of <what>" and name after
    ", parents " source tables of which every row may matter.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where') or '' -%}
    {%- if ' on affected days of ' not in where -%} {{ return(dbt.default__get_where_subquery(relation)) }} {%- endif -%}
    {%- set days, _, parents = where.partition(', parents ') -%}
    {%- set column, _, of = days.partition(' on affected days of ') -%}
    {%- set condition = in_affected_days(column, of, parents=parents.split()) -%}
    {{ return(relation if condition == 'true' else '(select * from ' ~ relation ~ ' where ' ~ condition ~ ') as affected') }}
{%- endmacro %}
