{#
    A full build in chunks of a month: what is sorted or grouped by session then fits in memory, costs no more, and the
    table is in order of time, which lets the daily runs skip most of it.

    A model asks for it with `chunked: true` in its meta. It reads int_sessions, which tells when each session was.
#}

{# Where is_touched() would say true in a full build: true, and a mark that create_table_as() finds again. #}
{% macro in_chunk(by, since) -%}
    true /* chunk {{ by }} {{ since }} */
{%- endmacro %}

{# The months in which sessions began, with the end of their last event; one chunk where there is little, or no time. #}
{% macro chunks() -%}
    {% set month = dbt.date_trunc('month', 'started_at') %}
    {% set query %}
        select cast({{ month }} as date), cast(max(ended_at) as {{ dbt.type_string() }}), count(*)
        from {{ ref('int_sessions') }}
        group by {{ month }}
        order by {{ month }}
    {% endset %}
    {% set months = [] %}
    {% set sessions = [] %}
    {% for row in run_query(query).rows %}
        {% do months.append({'start': row[0], 'end': row[1]}) %}
        {% do sessions.append(row[2] | int) %}
    {% endfor %}
    {% set untimed = months | selectattr('start', 'none') | list %}
    {{ return([] if untimed or sessions | sum < var('sessions_worth_chunks') | int else months) }}
{%- endmacro %}

{# dbt's own, or once for each chunk. #}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) -%}
    {%- set months = chunks() if '/* chunk ' in compiled_code and not temporary else [] -%}
    {%- if months | length < 2 -%}
        {{ return(dbt.duckdb__create_table_as(
            temporary, relation, compiled_code, language, partitioned_by=partitioned_by, sorted_by=sorted_by
        )) }}
    {%- endif -%}
    {%- for month in months -%}
        {%- set began -%}
            select session_id from {{ ref('int_sessions') }} where started_at >= cast('{{ month.start }}' as timestamp)
            {%- if not loop.last %} and started_at < cast('{{ months[loop.index].start }}' as timestamp){% endif -%}
        {%- endset -%}
        {%- set condition -%}
            \1 in ({{ began }}) and \2 >= cast('{{ month.start }}' as timestamp)
            and \2 <= cast('{{ month.end }}' as timestamp)
        {%- endset -%}
        {{ 'create table ' ~ relation ~ ' as' if loop.first else 'insert into ' ~ relation }}
        {{ modules.re.sub('true /\\* chunk ([\\w.]+) ([\\w.]+) \\*/', condition, compiled_code) }};
    {%- endfor -%}
{%- endmacro %}
