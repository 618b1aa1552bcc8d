{# What was loaded, and what of it a model has not seen yet (touched.sql tells the whole of it). #}

{% macro landing(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='landing', identifier=name)) }}
{%- endmacro %}

{#
    The rows of a query. Each is asked once for a model or test, which remembers the answer, as macros that it calls
    ask the same: on little data, asking is most of what a day costs.
#}
{% macro rows_of(query) -%}
    {# What a node is in dbt's graph lasts from compiling it to writing it, and longer than a run where one process runs several. #}
    {% set answers = graph.nodes.get(model.unique_id, model).setdefault('greenery', {}).setdefault(invocation_id, {}) %}
    {% if query not in answers %}
        {% do answers.update({query: run_query(query).rows}) %}
    {% endif %}
    {{ return(answers[query]) }}
{%- endmacro %}

{# The first of them, of a query that has one. #}
{% macro row_of(query) -%}
    {{ return(rows_of(query)[0]) }}
{%- endmacro %}

{# What a model is made of: where it changes, the model is built anew. The same text as greenery_assets/refresh.py. #}
{% macro definition_of_model() -%}
    {% set contract = [] %}
    {% for source in graph.sources.values() | sort(attribute='name') %}
        {% for column in source.columns.values() %}
            {% do contract.append(source.name ~ '.' ~ column.name ~ ' ' ~ column.data_type) %}
        {% endfor %}
    {% endfor %}
    {{ return(local_md5(model.checksum.checksum ~ ': ' ~ contract | join(', '))) }}
{%- endmacro %}

{# The names of the models kept by load that a node reads, and those that stand behind these. #}
{% macro kept_parents(node) -%}
    {% set names = [] %}
    {% for unique_id in node.depends_on.nodes %}
        {% if unique_id in graph.nodes and graph.nodes[unique_id].config.materialized == 'incremental' %}
            {% do names.append(graph.nodes[unique_id].name) %}
        {% endif %}
    {% endfor %}
    {{ return(names) }}
{%- endmacro %}

{% macro kept_ancestors(node) -%}
    {% set names = [] %}
    {% for unique_id in node.depends_on.nodes if unique_id in graph.nodes %}
        {% set parent = graph.nodes[unique_id] %}
        {% if parent.config.materialized == 'incremental' %}
            {% do names.append(parent.name) %}
            {% do names.extend(kept_ancestors(parent)) %}
        {% endif %}
    {% endfor %}
    {{ return(names) }}
{%- endmacro %}

{#
    The loads this model has to take in: those above `after`, up to `upto`; `all` of them, and no `after`, if it has to
    be rebuilt, as it is new or something before it was rebuilt and left it behind.
#}
{% macro loads_to_see() -%}
    {# In a unit test there is nothing to look up. #}
    {% if not execute or model.resource_type not in ('model', 'snapshot') %}
        {{ return({'all': true}) }}
    {% endif %}
    {% set is_there = is_incremental() or (model.resource_type == 'snapshot' and load_cached_relation(this)) %}
    {% if not is_there and load_relation(landing('processed')) is none %}
        {{ return({'all': true}) }}
    {% elif not is_there %}
        {{ return({'all': true, 'upto': loads_reached()}) }}
    {% endif %}
    {% set state = processed() %}
    {% if model.name not in state %}
        {{ return({'all': true, 'upto': loads_reached()}) }}
    {% endif %}
    {% set own = state[model.name] %}
    {% set rebuilt = [] %}
    {% for name in kept_ancestors(model) if name not in state or state[name].full_at > own.run_at %}
        {% do rebuilt.append(name) %}
    {% endfor %}
    {{ return({
        'all': rebuilt | length > 0, 'after': own.load_id, 'upto': loads_reached(),
        'full_at': own.full_at, 'definition': own.definition
    }) }}
{%- endmacro %}

{# What each model has noted last: how far it got, when, when it was built anew, and of what. #}
{% macro processed() -%}
    {% set query %}
        select
            model, load_id, cast(run_at as {{ dbt.type_string() }}) as run_at,
            cast(full_at as {{ dbt.type_string() }}) as full_at, definition
        from (
            select *, row_number() over (partition by model order by run_at desc) as nth
            from {{ landing('processed') }}
        ) as latest
        where nth = 1
    {% endset %}
    {% set state = {} %}
    {% for row in rows_of(query) %}
        {% do state.update({row[0]: {
            'load_id': row[1] | int, 'run_at': row[2] | string, 'full_at': row[3] | string, 'definition': row[4]
        }}) %}
    {% endfor %}
    {{ return(state) }}
{%- endmacro %}

{# The last load that is in everything a node, this one unless another is named, reads. #}
{% macro loads_reached(node=none) -%}
    {% set parents = kept_parents(node or model) %}
    {% if parents %}
        {% set state, reached = processed(), [] %}
        {% for name in parents if name in state %} {% do reached.append(state[name].load_id) %} {% endfor %}
        {{ return(reached | min if reached else 0) }}
    {% else %}
        {# A load that only found files gone leaves no file, once all have seen it. #}
        {% set query -%}
            select coalesce(max(load_id), 0) from (
                select load_id from {{ landing('files') }} union all select load_id from {{ landing('processed') }}
            ) as loads
        {%- endset %}
        {{ return(row_of(query)[0] | int) }}
    {% endif %}
{%- endmacro %}

{% macro in_loads(loads, of=none) -%}
    {%- set load_id = of ~ '.load_id' if of else 'load_id' -%}
    {{ load_id }} > {{ loads.after }} and {{ load_id }} <= {{ loads.upto }}
{%- endmacro %}

{#
    The rows of a source table for its dim_ model: all of them, or only what loads brought that the model has not
    seen. Then is_current tells rows that are there now from those that are gone; a changed row is both.
    columns: name -> the source's column. moment: the source column created_at, if it has one.
#}
{% macro loaded_rows(table, columns, moment=none) -%}
    {%- set loads = loads_to_see() -%}
    {%- set names = columns | join(', ') -%}
    {%- set selected = [] -%}
    {%- for name, source in columns.items() -%}
        {%- do selected.append(source if name == source else source ~ ' as ' ~ name) -%}
    {%- endfor -%}
    {%- if loads.all -%}
        select {{ selected | join(', ') }}
        from {{ ref('stg_' ~ table) }}
    {%- else -%}
        {%- set files = loaded_files(table, loads) -%}
        {%- set by_file = landing(table ~ '_by_file') -%}
        {%- set parts = [] -%}
        {%- if files.fresh -%}
            {%- do parts.append(
                'select ' ~ selected | join(', ') ~ ', true as is_current from ' ~ by_file
                ~ ' where landing_file in (' ~ files.fresh | join(', ') ~ ')'
            ) -%}
        {%- endif -%}
        {%- if files.replaced -%}
            {%- set now -%}
                select {{ selected | join(', ') }} from {{ by_file }}
                where {{ in_days_of(table, files, moment) }}
                {%- if files.fresh %} and landing_file not in ({{ files.fresh | join(', ') }}){% endif %}
            {%- endset -%}
            {%- set held -%}
                select {{ names }} from {{ this }}
                where {{ in_days_of(table, files, moment and (columns.items() | selectattr(1, 'equalto', moment) | first)[0]) }}
            {%- endset -%}
            {#- Twice `except all` would cost several times as much; that a key has one row is checked before. -#}
            {%- do parts.append(
                'select ' ~ names ~ ', sum(sign) > 0 as is_current from ('
                ~ 'select *, 1 as sign from (' ~ now ~ ') as present union all select *, -1 as sign from (' ~ held ~ ') as held'
                ~ ') as both_sides group by ' ~ names ~ ' having sum(sign) <> 0'
            ) -%}
        {%- endif -%}
        {#- Of no row, and so of no cost: it tells Dagster, which reads this SQL, where each column comes from. -#}
        {%- do parts.insert(
            0, 'select ' ~ selected | join(', ') ~ ', true as is_current from ' ~ ref('stg_' ~ table) ~ ' where false'
        ) -%}
        {{ parts | join(' union all ') }}
    {%- endif -%}
{%- endmacro %}

{#
    The source files that changed after a load: source_table, path, whether the file was there at that load, and
    whether rows of it may be missing since, as it has gone or has fewer.
#}
{% macro files_since(load_id) -%}
    {% set query %}
        with versions as (
            select
                source_table, path, load_id, is_removed, row_count,
                row_number() over (partition by source_table, path order by load_id desc) as nth
            from {{ landing('files') }}
        ),

        seen as (
            select
                source_table, path, is_removed, row_count,
                row_number() over (partition by source_table, path order by load_id desc) as nth
            from {{ landing('files') }}
            where load_id <= {{ load_id }}
        )

        select
            versions.source_table, versions.path, seen.path is not null as was_there,
            seen.path is not null and (versions.is_removed or versions.row_count < seen.row_count) as is_less
        from versions
        left join seen
            on versions.source_table = seen.source_table and versions.path = seen.path
            and seen.nth = 1 and not seen.is_removed
        where
            versions.nth = 1 and versions.load_id > {{ load_id }}
            and not (versions.is_removed and seen.path is null)
        order by versions.path
    {% endset %}
    {{ return(rows_of(query)) }}
{%- endmacro %}

{# Paths as SQL literals: `fresh` files are new to the model, of `replaced` ones it holds rows that may be gone. #}
{% macro loaded_files(table, loads) -%}
    {% set files = {'fresh': [], 'replaced': []} %}
    {% for source_table, path, was_there, is_less in files_since(loads.after) if source_table == table %}
        {% do files['replaced' if was_there else 'fresh'].append("'" ~ path.replace("'", "''") ~ "'") %}
    {% endfor %}
    {{ return(files) }}
{%- endmacro %}

{# A condition that is true at least on the days that a replaced file has or had rows of. #}
{% macro in_days_of(table, files, moment) -%}
    {%- set days -%}
        from {{ landing('days') }} where source_table = '{{ table }}' and path in ({{ files.replaced | join(', ') }})
    {%- endset -%}
    {%- set bounds = row_of('select min(day), max(day), count(*) - count(day) ' ~ days) -%}
    {%- if not moment or bounds[0] is none or bounds[2] | int > 0 -%}
        true
    {%- else -%}
        cast({{ moment }} as date) in (select day {{ days }})
        and {{ moment }} >= cast('{{ bounds[0] }}' as timestamp)
        and {{ moment }} < {{ days_after("cast('" ~ bounds[1] ~ "' as timestamp)", 1) }}
    {%- endif -%}
{%- endmacro %}
