{#
    A full build in chunks of weeks: what is sorted or grouped by session then fits in memory, costs no more, and the
    table is in order of time, which lets the daily runs skip most of it.

    A model asks for it with in_chunk(). It depends on int_sessions, which tells when each session was.
#}

{# Conditions of a full build, with marks that create_table_as() finds again: the rows of a chunk, its sessions by when they
    began, and the rows of the first chunk. #}
{% macro in_chunk(by, since) -%}
    true /* chunk {{ by }} {{ since }} */
{%- endmacro %}

{% macro began_in_chunk(started_at) -%}
    true /* begun {{ started_at }} */
{%- endmacro %}

{% macro in_first_chunk() -%}
    true /* first chunk */
{%- endmacro %}

{# A query that is the same for all chunks, at most one to a model. #}
{% macro once(query) -%}
    /* once */ {{ query }} /* only */
{%- endmacro %}

{# Weeks in which sessions began, as many to a chunk as are worth it, with the end of their last event; one chunk where there is no time. #}
{% macro chunks() -%}
    {% set week = week_of('started_at') %}
    {% set query %}
        select {{ week }}, cast(max(ended_at) as {{ dbt.type_string() }}), count(*)
        from {{ ref('int_sessions') }}
        group by {{ week }}
        order by {{ week }}
    {% endset %}
    {% set chunks = [] %}
    {% for start, end, sessions in run_query(query).rows %}
        {% if start is none %}
            {{ return([]) }}
        {% elif chunks and chunks[-1].sessions < var('sessions_worth_a_chunk') | int %}
            {% do chunks[-1].update({'end': [chunks[-1].end, end] | max, 'sessions': chunks[-1].sessions + sessions | int}) %}
        {% else %}
            {% do chunks.append({'start': start, 'end': end, 'sessions': sessions | int}) %}
        {% endif %}
    {% endfor %}
    {{ return(chunks) }}
{%- endmacro %}

{% macro week_of(moment) -%}
    cast({{ dbt.date_trunc('week', moment) }} as date)
{%- endmacro %}

{# dbt's own, or once for each chunk. #}
{% macro duckdb__create_table_as(temporary, relation, compiled_code, language='sql', partitioned_by=none, sorted_by=none) -%}
    {%- set chunks = chunks() if '/* chunk ' in compiled_code and not temporary else [] -%}
    {%- if chunks | length < 2 -%}
        {{ return(dbt.duckdb__create_table_as(
            temporary, relation, compiled_code, language, partitioned_by=partitioned_by, sorted_by=sorted_by
        )) }}
    {%- endif -%}
    {%- set shared = modules.re.findall('(?s)/\\* once \\*/(.*?)/\\* only \\*/', compiled_code) -%}
    {%- if shared -%}
        create or replace temporary table shared_by_chunks as {{ shared[0] }};
        {%- set compiled_code = modules.re.sub('(?s)/\\* once \\*/.*?/\\* only \\*/', 'select * from shared_by_chunks', compiled_code) %}
    {%- endif -%}
    {#- Few sessions go on in another chunk than they began in: they are told apart, the others by their time. -#}
    create or replace temporary table sessions_across_chunks as
    select session_id, started_at, ended_at from {{ ref('int_sessions') }}
    where {{ week_of('started_at') }} <> {{ week_of('ended_at') }};
    {%- for chunk in chunks -%}
        {%- set begun_earlier -%}
            select session_id from sessions_across_chunks
            where started_at < cast('{{ chunk.start }}' as timestamp) and ended_at >= cast('{{ chunk.start }}' as timestamp)
        {%- endset -%}
        {%- set begun -%}
            \1 >= cast('{{ chunk.start }}' as timestamp)
            {%- if not loop.last %} and \1 < cast('{{ chunks[loop.index].start }}' as timestamp){% endif -%}
        {%- endset -%}
        {%- set condition -%}
            \2 >= cast('{{ chunk.start }}' as timestamp) and \2 <= cast('{{ chunk.end }}' as timestamp)
            and \1 not in ({{ begun_earlier }})
            {%- if not loop.last %}
                {%- set next = chunks[loop.index].start %}
                and (\2 < cast('{{ next }}' as timestamp) or \1 in (
                    select session_id from sessions_across_chunks
                    where started_at >= cast('{{ chunk.start }}' as timestamp) and started_at < cast('{{ next }}' as timestamp)
                    and ended_at >= cast('{{ next }}' as timestamp)
                ))
            {%- endif %}
        {%- endset -%}
        {{ 'create table ' ~ relation ~ ' as' if loop.first else 'insert into ' ~ relation }}
        {% set code = modules.re.sub('true /\\* chunk ([\\w.]+) ([\\w.]+) \\*/', condition, compiled_code) %}
        {{ modules.re.sub('true /\\* begun ([\\w.]+) \\*/', begun, code)
            | replace('true /* first chunk */', 'true' if loop.first else 'false') }};
    {%- endfor -%}
    drop table sessions_across_chunks;
    {% if shared %} drop table shared_by_chunks; {% endif %}
{%- endmacro %}
