{#
    Which days a run rebuilds. The loader notes the days that each version of a source file has rows of (landing.files,
    landing.days). A day is affected when such a file came, changed or went since the last complete run, which is noted
    when every model and snapshot was built (landing.complete_runs). A run that failed, or built a part, leaves its days
    to the next one. Without a complete run all days are affected.

    A session belongs to the day of its first event, and lies within `session_days` more. What else the scheme relies
    on stands in guards.sql.
#}

{% macro landing(name, schema='landing') -%} {{ return(api.Relation.create(database=(target.database or none), schema=schema, identifier=name)) }} {%- endmacro %}

{#
    Affected days as a sorted list of 'yyyy-mm-dd'; none where all are. They are days of `events`, of `sessions`, of
    `visits` (sessions, and what their users ordered meanwhile), of `items` (sessions, and what their orders hold), of
    `order_rows`, of `orders` (and what events say of them) or of `order_items` (orders and what they hold).
#}
{% macro affected_days(of) -%}
    {%- set session_days = var('session_days') -%}
    {%- if of == 'events' -%} {{ return(days_of_files('events')) }}
    {%- elif of == 'order_rows' -%} {{ return(days_of_files('orders')) }}
    {%- elif of == 'sessions' -%} {{ return(widened(days_of_files('events'), session_days)) }}
    {%- elif of == 'visits' -%} {{ return(both(affected_days('sessions'), widened(days_of_files('orders'), session_days))) }}
    {%- elif of == 'orders' -%} {{ return(both(days_of_files('orders'), widened(days_of_files('events'), 2 * session_days))) }}
    {%- elif of == 'items' -%} {{ return(both(affected_days('sessions'), widened(order_days_of_items(), 3 * session_days))) }}
    {%- elif of == 'order_items' -%} {{ return(both(days_of_files('orders'), order_days_of_items())) }}
    {%- endif -%}
    {%- do exceptions.raise_compiler_error('No days of ' ~ of) -%}
{%- endmacro %}

{# Days of the source files that came, changed or went since the last complete run, and those that were named. #}
{% macro days_of_files(table) -%}
    {%- if var('only_days') -%} {{ return(var('days') | sort) }} {%- endif -%}
    {%- set query -%}
        select distinct cast(days.day as {{ dbt.type_string() }})
        from {{ landing('days') }} as days
        inner join {{ landing('files') }} as files
            on days.source_table = files.source_table and days.path = files.path
        where days.source_table = '{{ table }}' and files.load_id > ({{ last_complete_run() }})
        union all
        select null where ({{ last_complete_run() }}) is null
    {%- endset -%}
    {%- set days = run_query(query).columns[0].values() | list -%}
    {#- Without a complete run, and by rows without a day, any day is affected. -#}
    {{ return(none if none in days else (days + var('days')) | unique | sort) }}
{%- endmacro %}

{# The days of the orders that new files of order_items name; all days where a file changed or went, as it names them no more. Spark reads \ in a text as an escape. #}
{% macro order_days_of_items() -%}
    {%- if var('only_days') -%} {{ return(var('days') | sort) }} {%- endif -%}
    {%- set query -%}
        select path, min(load_id) <= ({{ last_complete_run() }})
        from {{ landing('files') }}
        where source_table = 'order_items'
        group by path
        having max(load_id) > ({{ last_complete_run() }})
        union all
        select null, true where ({{ last_complete_run() }}) is null
    {%- endset -%}
    {%- set files = run_query(query).rows -%}
    {%- if files | selectattr(1) | list -%} {{ return(none) }} {%- endif -%}
    {%- set paths = [] -%}
    {%- for path, _ in files -%} {%- do paths.append(dbt.string_literal(dbt.escape_single_quotes(path | replace('\\', '\\\\' if target.type == 'spark' else '\\')))) -%} {%- endfor -%}
    {%- set query -%}
        select distinct cast(cast(orders.created_at as date) as {{ dbt.type_string() }})
        from {{ landing('order_items_by_file') }} as items
        inner join {{ source('raw', 'orders') }} as orders on items.order_id = orders.order_id
        where items.landing_file in ({{ paths | join(', ') }})
    {%- endset -%}
    {%- set days = run_query(query).columns[0].values() | list if paths else [] -%}
    {{ return(none if none in days else days | sort) }}
{%- endmacro %}

{# SQL of the last load that is in every model or, for a check, that every check has looked at; null without any. #}
{% macro last_complete_run() -%}
    {%- set of_checks = model is defined and model.resource_type == 'test' -%}
    select max(load_id) from {{ landing('complete_runs') }} where what = '{{ 'checked' if of_checks else 'built' }}'
{%- endmacro %}

{# Days and as many to either side of each. #}
{% macro widened(days, around) -%}
    {%- if days is none or not around -%} {{ return(days) }} {%- endif -%}
    {%- set found = {} -%}
    {%- for day in days -%}
        {%- for distance in range(-around, around + 1) -%} {%- do found.update({day_after(day, distance): true}) -%} {%- endfor -%}
    {%- endfor -%}
    {{ return(found | sort) }}
{%- endmacro %}

{% macro day_after(day, days) -%} {{ return((modules.datetime.date.fromisoformat(day) + modules.datetime.timedelta(days=days)).isoformat()) }} {%- endmacro %}

{% macro both(days, others) -%} {{ return(none if days is none or others is none else (days + others) | unique | sort) }} {%- endmacro %}

{# A condition on a date or timestamp: ranges of literals, by which every engine skips what it need not read. #}
{% macro in_days(column, days) -%}
    {%- if days is none -%} {{ return('true') }} {%- elif not days -%} {{ return('false') }} {%- endif -%}
    {%- set ranges = [] -%}
    {%- for day in days -%}
        {%- if ranges and ranges[-1].end == day -%} {%- do ranges[-1].update(end=day_after(day, 1)) -%}
        {%- else -%} {%- do ranges.append({'start': day, 'end': day_after(day, 1)}) -%} {%- endif -%}
    {%- endfor -%}
    (
    {%- for range in ranges -%}
        {{ ' or ' if not loop.first }}{{ column }} >= date '{{ range.start }}' and {{ column }} < date '{{ range.end }}'
    {%- endfor -%}
    )
{%- endmacro %}

{#
    A condition: true on the days that a model rebuilds, or a check looks at, and `around` times session_days more to either
    side.
    For a check only: `parents` are source tables of which every row may matter, `kept` names the column with the day of
    the rows that it keeps, if it is another.
#}
{% macro in_affected_days(column, of, around=0, parents=[], kept=none) -%}
    {%- if not execute -%} {{ return('true') }} {%- endif -%}
    {%- set around = around * var('session_days') -%}
    {%- if model.resource_type == 'test' -%}
        {%- set days = days_to_check(of, kept or column.split('.')[-1], parents) -%}
        {{ return(in_days(column, widened(days, around))) }}
    {%- endif -%}
    {#- In a unit test nothing was built before. -#}
    {%- set is_kept = model.resource_type in ('model', 'snapshot') and (
        var('only_days') or is_incremental() or (model.resource_type == 'snapshot' and load_relation(this) is not none)
    ) -%}
    {{ in_days(column, widened(affected_days(of), around) if is_kept else none) }}
{%- endmacro %}

{# The pre-hook of a table by day: what is rebuilt is deleted, in the transaction that inserts it. #}
{% macro delete_affected_days(column, of) -%} {% if is_incremental() %} delete from {{ this }} where {{ in_affected_days(column, of) }} {% endif %} {%- endmacro %}

{# The pre-hook of a table by user: whoever has a row on an affected day, in the table or in what it is built from, leaves it. #}
{% macro delete_affected_users(source, column, of) -%}
    {%- set affected = 'select user_id from %s where ' ~ in_affected_days(column, of) if execute -%}
    {% if is_incremental() %} delete from {{ this }} where user_id is null or user_id in ({{ affected % this }} union all {{ affected % source }}) {% endif %}
{%- endmacro %}

{# A condition: true for whoever is not in the table, as in a table by user the affected ones are not. All in a unit test. #}
{% macro is_affected_user(user_id) -%}
    {%- set is_kept = model.resource_type == 'model' and is_incremental() -%}
    {{ 'not exists (select 1 from ' ~ this ~ ' as built where built.user_id = ' ~ user_id ~ ')' if is_kept else 'true' }}
{%- endmacro %}

{#
    At the beginning of a run: notes when it began (UTC), or the next microsecond after the run before where the clock
    was set back: states of orders are ordered by it.
#}
{% macro note_run() -%}
    {%- if execute and flags.WHICH in ('run', 'build', 'snapshot') -%}
        insert into {{ landing('dbt_runs') }}
        select {{ not_before_last("cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)", 'max(started_at)') }}
        from {{ landing('dbt_runs') }};
    {%- endif -%}
{%- endmacro %}

{# At the end of a run: notes that everything was built, if no guard is broken, and that everything was checked. #}
{% macro note_complete_run(results) -%}
    {%- if not execute or flags.EMPTY or flags.WHICH not in ('run', 'build', 'test') -%} {{ return('') }} {%- endif -%}
    {%- set missing = left_out(results) -%}
    {%- set built = [] if 'model' in missing or 'snapshot' in missing else complete_run('built') -%}
    {{ in_turn(built + ([] if 'test' in missing else complete_run('checked'))) }}
{%- endmacro %}

{# The kinds of models, snapshots and tests that a run left out. #}
{% macro left_out(results) -%}
    {%- set done = results | selectattr('status', 'in', ['success', 'pass', 'warn', 'fail']) | map(attribute='node.unique_id') | list -%}
    {%- set missing = [] -%}
    {%- for id, node in graph.nodes.items() if id not in done -%} {%- do missing.append(node.resource_type) -%} {%- endfor -%}
    {{ return(missing | unique | list) }}
{%- endmacro %}

{% macro complete_run(what) -%}
    {%- set runs = landing('complete_runs') -%}
    {%- set last = run_query('select max(load_id), max(definition) from ' ~ runs ~ " where what = '" ~ what ~ "'").rows[0] -%}
    {%- set note -%}
        insert into {{ runs }}
        select
            '{{ what }}',
            greatest(coalesce(max(load_id), 0), {{ last[0] or 0 }}),
            (select max(started_at) from {{ landing('dbt_runs') }}),
            '{{ env_var('GREENERY_DEFINITION', '') or last[1] or '' }}'
        from {{ landing('files') }}
        having not exists (select 1 from {{ landing('broken_guards') }})
    {%- endset -%}
    {{ return(['delete from ' ~ runs ~ " where what = '" ~ what ~ "'", note]) }}
{%- endmacro %}
