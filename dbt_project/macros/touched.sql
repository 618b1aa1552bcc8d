{#
    Models that are kept up to date by load. The loader numbers its loads and keeps the versions of all source files
    (greenery_assets/landing/ledger.py, schema landing). Each dim_ model takes over what was loaded since it was built
    last and notes whom that touches: sessions, orders, users, days. The models after it recompute the rows of whom was
    touched since they were built last, however often a failed check kept them from it. Everything a model does,
    its notes included, is one transaction.

    A model says in its meta what a row belongs to:
        touched: {kind: one of touched_ids(), by: its column, since: the column that times its rows, if any}
        notes: what touched_notes() is to note of its rows, for the models after it
#}

{% macro landing(name) -%}
    {{ return(api.Relation.create(database=target.database, schema='landing', identifier=name)) }}
{%- endmacro %}

{# The one row of a query. #}
{% macro row_of(query) -%}
    {{ return(run_query(query).rows[0]) }}
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
    The loads this model has to take in: those above `after`, up to `upto`; `all` if it has to be rebuilt, as it is
    new or something before it was rebuilt and left it behind.
#}
{% macro loads_to_see() -%}
    {# In a unit test there is nothing to look up. #}
    {% if not execute or model.resource_type not in ('model', 'snapshot') %}
        {{ return({'all': true}) }}
    {% endif %}
    {% set is_there = is_incremental() or (model.resource_type == 'snapshot' and load_cached_relation(this)) %}
    {% if not is_there %}
        {{ return({'all': true}) }}
    {% endif %}
    {% set query %}
        select model, load_id, cast(run_at as varchar) as run_at, cast(full_at as varchar) as full_at
        from (
            select *, row_number() over (partition by model order by run_at desc) as nth
            from {{ landing('processed') }}
        ) as latest
        where nth = 1
    {% endset %}
    {% set state = {} %}
    {% for row in run_query(query).rows %}
        {% do state.update({row[0]: {'load_id': row[1] | int, 'run_at': row[2] | string, 'full_at': row[3] | string}}) %}
    {% endfor %}
    {% if model.name not in state %}
        {{ return({'all': true}) }}
    {% endif %}
    {% set own = state[model.name] %}
    {% set rebuilt = [] %}
    {% for name in kept_ancestors(model) if name not in state or state[name].full_at > own.run_at %}
        {% do rebuilt.append(name) %}
    {% endfor %}
    {{ return({'all': rebuilt | length > 0, 'after': own.load_id, 'upto': loads_reached(), 'full_at': own.full_at}) }}
{%- endmacro %}

{# The last load that is in everything this model reads. #}
{% macro loads_reached() -%}
    {% set parents = kept_parents(model) %}
    {% if parents %}
        {% set query %}
            select min(load_id) from (
                select max(load_id) as load_id from {{ landing('processed') }}
                where model in ('{{ parents | join("', '") }}') group by model
            ) as parents
        {% endset %}
    {% else %}
        {% set query = 'select coalesce(max(load_id), 0) from ' ~ landing('files') %}
    {% endif %}
    {{ return(row_of(query)[0] | int) }}
{%- endmacro %}

{% macro in_loads(loads) -%}
    load_id > {{ loads.after }} and load_id <= {{ loads.upto }}
{%- endmacro %}

{#
    SQL of the ids that were touched, by kind, and of the earliest moment of any of their rows (null: any time).
#}
{% macro touched_ids(kind, loads) -%}
    {% set range = in_loads(loads) %}
    {% set sessions = 'select session_id from ' ~ landing('touched_sessions') ~ ' where ' ~ range %}
    {% set since = 'select min(since) from ' ~ landing('touched_sessions') ~ ' where ' ~ range %}
    {% if kind == 'sessions' %}
        {{ return({'ids': sessions, 'since': since}) }}
    {% elif kind == 'sessions_and_purchases' %}
        {# Whose order has other items, although nothing happened in the session itself. #}
        {% set bought -%}
            select session_id from {{ ref('int_order_events') }}
            where number_of_checkouts > 0 and order_id in (
                select order_id from {{ landing('touched_orders') }} where reported_by = 'order_items' and {{ range }}
            ) and session_id not in ({{ sessions }})
        {%- endset %}
        {% if row_of('select count(*) from (' ~ bought ~ ') as bought')[0] | int == 0 %}
            {{ return({'ids': sessions, 'since': since}) }}
        {% endif %}
        {% set earlier -%}
            select min(since) from (
                {{ since.replace('min(since)', 'since') }}
                union all select started_at as since from {{ ref('int_sessions') }} where session_id in ({{ bought }})
            ) as earliest
        {%- endset %}
        {{ return({'ids': sessions ~ ' union ' ~ bought, 'since': earlier}) }}
    {% elif kind == 'page_orders' %}
        {% set orders = 'select order_id from ' ~ landing('touched_page_orders') ~ ' where ' ~ range %}
        {# An order's rows are those of sessions with an event of its own. #}
        {% set since -%}
            select min(started_at) from {{ ref('int_sessions') }} where session_id in (
                select session_id from {{ ref('int_order_events') }} where order_id in ({{ orders }})
            )
        {%- endset %}
        {{ return({'ids': orders, 'since': since}) }}
    {% elif kind == 'orders' %}
        {{ return({'ids': 'select order_id from ' ~ landing('touched_orders') ~ ' where ' ~ range}) }}
    {% elif kind == 'order_states' %}
        {{ return({'ids': 'select order_id from ' ~ landing('touched_orders') ~ " where reported_by = 'orders' and " ~ range}) }}
    {% elif kind == 'order_users' %}
        {% set users -%}
            select user_id from {{ landing('touched_orders') }} where reported_by = 'orders' and {{ range }}
            union
            select user_id from {{ ref('dim_orders') }} where order_id in (
                select order_id from {{ landing('touched_orders') }} where reported_by = 'order_items' and {{ range }}
            )
        {%- endset %}
        {{ return({'ids': users}) }}
    {% elif kind == 'buyers' %}
        {{ return({'ids': 'select user_id from ' ~ landing('touched_buyers') ~ ' where ' ~ range}) }}
    {% elif kind == 'users' %}
        {% set users = [] %}
        {% for name in ('touched_users', 'touched_buyers', 'touched_sessions') %}
            {% do users.append('select user_id from ' ~ landing(name) ~ ' where ' ~ range) %}
        {% endfor %}
        {{ return({'ids': users | join(' union ')}) }}
    {% elif kind == 'days' %}
        {% set days = landing('touched_days') ~ ' where ' ~ range %}
        {{ return({'ids': 'select day from ' ~ days, 'since': 'select min(day) from ' ~ days}) }}
    {% elif kind == 'product_days' %}
        {% set days = landing('touched_product_days') ~ ' where ' ~ range %}
        {{ return({'ids': 'select day from ' ~ days, 'since': 'select min(day) from ' ~ days}) }}
    {% endif %}
    {% do exceptions.raise_compiler_error('No kind of what is touched: ' ~ kind) %}
{%- endmacro %}

{#
    A condition that is true for the rows of whom was touched: all rows where the model is built anew. `since` names
    the column that times the rows, so that what is older is not read; its bound is a constant for that reason.
#}
{% macro is_touched(kind, by, since=none) -%}
    {%- set loads = loads_to_see() -%}
    {%- if loads.all -%}
        {{ in_chunk(by, since) if model.config.meta.get('chunked') else 'true' }}
    {%- else -%}
        {%- set touched = touched_ids(kind, loads) -%}
        {%- set bound = row_of(
            'select count(*), (' ~ touched.get('since', 'select null') ~ ') from (' ~ touched.ids ~ ') as touched'
        ) -%}
        {%- if bound[0] | int == 0 -%}
            false
        {%- else -%}
            {{ by }} in ({{ touched.ids }})
            {#- To the day, as some columns are days. -#}
            {%- if since and bound[1] is not none %} and {{ since }} >= cast('{{ (bound[1] | string)[:10] }}' as date){% endif -%}
        {%- endif -%}
    {%- endif -%}
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
            {%- do parts.append('select *, true as is_current from (' ~ now ~ ' except all ' ~ held ~ ') as came') -%}
            {%- do parts.append('select *, false as is_current from (' ~ held ~ ' except all ' ~ now ~ ') as gone') -%}
        {%- endif -%}
        {#- Of no row, and so of no cost: it tells Dagster, which reads this SQL, where each column comes from. -#}
        {%- do parts.insert(
            0, 'select ' ~ selected | join(', ') ~ ', true as is_current from ' ~ ref('stg_' ~ table) ~ ' where false'
        ) -%}
        {{ parts | join(' union all ') }}
    {%- endif -%}
{%- endmacro %}

{# Paths as SQL literals: `fresh` files are new to the model, of `replaced` ones it holds rows that may be gone. #}
{% macro loaded_files(table, loads) -%}
    {% set query %}
        with versions as (
            select path, load_id, is_removed, row_number() over (partition by path order by load_id desc) as nth
            from {{ landing('files') }} where source_table = '{{ table }}'
        ),

        seen as (
            select path, is_removed, row_number() over (partition by path order by load_id desc) as nth
            from {{ landing('files') }} where source_table = '{{ table }}' and load_id <= {{ loads.after }}
        )

        select
            versions.path,
            case when seen.path is not null and not seen.is_removed then 'replaced' else 'fresh' end as how
        from versions
        left join seen on versions.path = seen.path and seen.nth = 1
        where
            versions.nth = 1 and versions.load_id > {{ loads.after }}
            and not (versions.is_removed and (seen.path is null or seen.is_removed))
        order by versions.path
    {% endset %}
    {% set files = {'fresh': [], 'replaced': []} %}
    {% for row in run_query(query).rows %}
        {% do files[row[1]].append("'" ~ row[0].replace("'", "''") ~ "'") %}
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

{# dbt's strategy `touched`: rows of whom was touched are deleted, and those just computed inserted. #}
{% macro get_incremental_touched_sql(arguments) -%}
    {%- set kept, came = arguments.target_relation, arguments.temp_relation -%}
    {%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) -%}
    {%- set loads = loads_to_see() -%}
    {%- set meta = model.config.meta -%}
    {%- if loads.all -%}
        delete from {{ kept }};
        insert into {{ kept }} ({{ columns }}) select {{ columns }} from {{ came }};
    {%- else -%}
        {%- if meta.key is defined -%}
            {%- set gone = 'select ' ~ meta.key | join(', ') ~ ' from ' ~ came ~ ' where not is_current' -%}
            {%- set condition = '(' ~ meta.key | join(', ') ~ ') in (' ~ gone ~ ')' -%}
            {%- set bounds = row_of(
                'select count(*), ' ~ ('min(' ~ meta.since ~ '), max(' ~ meta.since ~ ')' if meta.since else 'null, null')
                ~ ' from ' ~ came ~ ' where not is_current'
            ) -%}
            {{ touched_notes(meta.notes, kept, came, none, loads) }}
            {%- if bounds[0] | int > 0 %}
                delete from {{ kept }} where {{ condition }}
                {%- if bounds[1] is not none %}
                    and {{ meta.since }} >= cast('{{ bounds[1] }}' as timestamp)
                    and {{ meta.since }} <= cast('{{ bounds[2] }}' as timestamp)
                {%- endif -%};
            {%- endif %}
            insert into {{ kept }} ({{ columns }}) select {{ columns }} from {{ came }} where is_current;
        {%- else -%}
            {%- set condition = is_touched(meta.touched.kind, meta.touched.by, meta.touched.since) -%}
            {{ touched_notes(meta.notes, kept, came, condition, loads) }}
            {% if condition != 'false' %}
                delete from {{ kept }} where {{ condition }};
                insert into {{ kept }} ({{ columns }}) select {{ columns }} from {{ came }};
            {% endif %}
        {%- endif -%}
    {%- endif %}
    {{ processed_row(loads.upto if not loads.all else loads_reached(), none if loads.all else loads.full_at) }}
{%- endmacro %}

{# Notes whom rows touch: those that came and, where a condition tells them, those they replace. #}
{% macro touched_notes(notes, kept, came, condition, loads) -%}
    {%- if notes == 'events' %}
        {%- set sessions = load_relation(api.Relation.create(
            database=target.database, schema='product', identifier='int_sessions'
        )) -%}
        insert into {{ landing('touched_sessions') }}
        select came.session_id, came.user_id, least(came.since, coalesce(known.since, came.since)), {{ loads.upto }}
        from (
            select session_id, user_id, min(created_at) as since from {{ came }} group by session_id, user_id
        ) as came
        left join (
            select session_id, min(since) as since
            from (
                select session_id, since from {{ landing('touched_sessions') }}
                {% if sessions %} union all select session_id, started_at as since from {{ sessions }} {% endif %}
            ) as known
            where session_id in (select session_id from {{ came }})
            group by session_id
        ) as known on came.session_id = known.session_id;
        insert into {{ landing('touched_days') }}
        select distinct cast(created_at as date), {{ loads.upto }} from {{ came }};
        insert into {{ landing('touched_orders') }}
        select distinct order_id, cast(null as uuid), 'events', {{ loads.upto }} from {{ came }} where order_id is not null;
    {%- elif notes == 'orders' %}
        insert into {{ landing('touched_orders') }}
        select distinct order_id, user_id, 'orders', {{ loads.upto }} from {{ came }};
    {%- elif notes == 'order_items' %}
        insert into {{ landing('touched_orders') }}
        select distinct order_id, cast(null as uuid), 'order_items', {{ loads.upto }} from {{ came }};
    {%- elif notes == 'users' %}
        insert into {{ landing('touched_users') }} select distinct user_id, {{ loads.upto }} from {{ came }};
    {%- elif notes and condition != 'false' %}
        {%- set column, log = {
            'started_at': ('cast(started_at as date)', 'touched_days'),
            'first_date': ('first_date', 'touched_product_days'),
            'order_id': ('order_id', 'touched_page_orders'),
            'user_id': ('user_id', 'touched_buyers'),
        }[notes] -%}
        insert into {{ landing(log) }}
        select noted, {{ loads.upto }} from (
            select {{ column }} as noted from {{ kept }} where {{ condition }}
            union
            select {{ column }} as noted from {{ came }}
        ) as noted
        where noted is not null;
    {%- endif %}
{%- endmacro %}

{% macro processed_row(load_id, full_at) -%}
    {%- set run_at = run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') -%}
    insert into {{ landing('processed') }} values (
        '{{ model.name }}', {{ load_id }}, cast('{{ run_at }}' as timestamp),
        cast('{{ full_at or run_at }}' as timestamp), '{{ definition_of_model() }}'
    );
{%- endmacro %}

{# After a model kept by load was built: notes it, unless the strategy has. #}
{% macro note_full_build() -%}
    {%- if execute and model.config.materialized in ('incremental', 'snapshot') -%}
        {%- set noted = row_of(
            'select count(*) from ' ~ landing('processed') ~ " where model = '" ~ model.name
            ~ "' and run_at = cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)"
        )[0] -%}
        {%- if noted | int == 0 -%} {{ processed_row(loads_reached(), none) }} {%- endif -%}
    {%- endif -%}
{%- endmacro %}
