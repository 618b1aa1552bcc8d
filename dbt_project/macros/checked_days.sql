{# Which days a check looks at: those that are rebuilt, and those of the rows that it kept as failing when it looked last. #}

{# As affected_days(); none where it looks at everything: on a full refresh, when asked, or as a parent has lost rows. #}
{% macro days_to_check(of, kept, parents) -%}
    {%- if flags.FULL_REFRESH or env_var('GREENERY_CHECKS', 'all') != 'new' -%} {{ return(none) }} {%- endif -%}
    {%- set days = affected_days(of) -%}
    {%- if days is none or lost_rows(parents) or load_relation(this) is none -%} {{ return(none) }} {%- endif -%}
    {%- set names = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- if kept not in names -%}
        {{ return(none if run_query('select 1 from ' ~ this ~ ' limit 1').rows else days) }}
    {%- endif -%}
    {%- set query -%}
        select distinct cast(cast({{ kept }} as date) as {{ dbt.type_string() }}) from {{ this }} where {{ kept }} is not null
    {%- endset -%}
    {{ return(both(days, run_query(query).columns[0].values() | list)) }}
{%- endmacro %}

{# Whether a file of these source tables went, or has fewer rows, since every check looked last. #}
{% macro lost_rows(tables) -%}
    {%- if not tables -%} {{ return(false) }} {%- endif -%}
    {%- set query -%}
        select 1
        from {{ landing('files') }} as before
        inner join {{ landing('files') }} as after
            on before.source_table = after.source_table and before.path = after.path
        where
            after.source_table in ('{{ tables | join("', '") }}')
            and before.load_id <= {{ last_complete_run() }}
            and after.load_id > {{ last_complete_run() }}
            and (after.is_removed or after.row_count < before.row_count)
        limit 1
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
