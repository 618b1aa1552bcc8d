{#
    What a check looks at. With GREENERY_CHECKS=new only what may have changed its verdict: the rows of files, and those
    that were touched in marts, of loads that it has not looked at yet, and whatever failed when it looked last.
    Otherwise, and wherever a table was built anew, everything.
#}

{% macro looks_at_new() -%}
    {{ return(
        execute and model.resource_type == 'test' and not flags.FULL_REFRESH
        and env_var('GREENERY_CHECKS', 'all') == 'new'
        and load_relation(landing('checked')) is not none
    ) }}
{%- endmacro %}

{#
    The last load that this check has looked at and when it did; nothing where it never has, or keeps no rows of it, or
    where rows may be missing since that others name: what is not there any more puts nothing in question.
#}
{% macro checked_last() -%}
    {%- set rows = rows_of(
        'select load_id, cast(run_at as ' ~ dbt.type_string() ~ ') from ' ~ landing('checked') ~ " where check_name = '" ~ model.name ~ "'"
    ) if load_relation(this) else [] -%}
    {%- if not rows or rows_are_missing(rows[0][0] | int) -%}
        {{ return(none) }}
    {%- endif -%}
    {{ return({'load_id': rows[0][0] | int, 'run_at': rows[0][1]}) }}
{%- endmacro %}

{# Whether any source file has gone, or has fewer rows, since a load. #}
{% macro rows_are_missing(after) -%}
    {{ return(files_since(after) | selectattr('is_less') | list | length > 0) }}
{%- endmacro %}

{# At the end of a run: how far each check that was evaluated has looked, and nothing of checks and models that are no more. #}
{% macro note_checks(results) -%}
    {#- load_relation() may begin a transaction, which nobody ends: what a hook does in it is lost. -#}
    {%- set tables -%}
        select count(*) from information_schema.tables
        where table_catalog = '{{ target.database }}' and table_schema = 'landing' and table_name = 'checked'
    {%- endset -%}
    {%- if execute and flags.WHICH in ('build', 'test') and row_of(tables)[0] | int > 0 -%}
        {%- set rows, names = [], [] -%}
        {#- What this run noted of models is not later than that; what the next one notes is. -#}
        {%- set noted_last = row_of('select cast(max(run_at) as ' ~ dbt.type_string() ~ ') from (select run_at from ' ~ landing('processed') ~ ' union all select ' ~ start_of_run() ~ ')')[0] -%}
        {%- for result in results if result.node.resource_type == 'test' and result.status in ('pass', 'warn', 'fail') -%}
            {%- do names.append("'" ~ result.node.name ~ "'") -%}
            {%- do rows.append(
                "('" ~ result.node.name ~ "', " ~ loads_reached(graph.nodes[result.node.unique_id]) ~ ", cast('"
                ~ noted_last ~ "' as timestamp))"
            ) -%}
        {%- endfor -%}
        {%- set there = [] -%}
        {%- for node in graph.nodes.values() -%} {%- do there.append("'" ~ node.name ~ "'") -%} {%- endfor -%}
        delete from {{ landing('processed') }} where model not in ({{ there | join(', ') }});
        delete from {{ landing('checked') }} where check_name not in ({{ there | join(', ') }})
        {%- if rows %} or check_name in ({{ names | join(', ') }});
            insert into {{ landing('checked') }} values {{ rows | join(', ') }}
        {%- endif -%};
    {%- endif -%}
{%- endmacro %}

{# A source table's rows that are to be looked at, as a relation. #}
{% macro arrived(table, failing_by=none, staged=none) -%}
    {%- set files = files_in_question(table) if looks_at_new() else none -%}
    {%- set failing = failed_before(failing_by) if files is not none and failing_by else [] -%}
    {%- if files is none or failing is none -%}
        {{ staged or ref('stg_' ~ table) }}
    {%- else -%}
        {{ rows_of_files(table, new_in_files(table), failing_by ~ ' in (' ~ failing | join(', ') ~ ')' if failing else none) }}
    {%- endif -%}
{%- endmacro %}

{# Rows of a source table as a relation: those of some files and, of the others, those that a condition is true for. #}
{% macro rows_of_files(table, in_files, others=none) -%}
    {%- set columns = graph.nodes['model.greenery.stg_' ~ table].columns.keys() | join(', ') -%}
    (
        select {{ columns }} from {{ landing(table ~ '_by_file') }} where {{ in_files }}
        {%- if others %} or {{ others }} {%- endif -%}
    )
{%- endmacro %}

{#
    A source table's rows that arrived, that new rows of another table name by `column`, its key, or that failed before, as a
    relation. Of rows with one key in several files, which is_key reports, only what arrived is named.
#}
{% macro arrived_or_named(table, column, by) -%}
    {%- set failing = failed_before(column) if looks_at_new() and files_in_question(table) is not none else none -%}
    {%- if failing is none -%}
        {{ return(ref('stg_' ~ table)) }}
    {%- endif -%}
    {%- set named = landing(by ~ '_by_file') ~ ' where ' ~ new_in_files(by) ~ ' and ' ~ column ~ ' is not null' -%}
    {%- set elsewhere -%}
        {{ column }} in (select {{ column }} from {{ named }}) and {{ column }} not in (
            select {{ column }} from {{ landing(table ~ '_by_file') }} where {{ new_in_files(table) }} and {{ column }} is not null
        )
    {%- endset -%}
    {%- set others = [] -%}
    {#- Nothing is looked for in all of the table, which has no order by key, where none is. -#}
    {%- if row_of('select count(*) from ' ~ named ~ ' and ' ~ elsewhere)[0] | int > 0 -%} {%- do others.append(elsewhere) -%} {%- endif -%}
    {%- if failing -%} {%- do others.append(column ~ ' in (' ~ failing | join(', ') ~ ')') -%} {%- endif -%}
    {{ rows_of_files(table, new_in_files(table), others | join(' or ')) }}
{%- endmacro %}

{#
    A condition that is true at least for the rows whose `column` has a value that arrived in one of the tables or failed before.
    `since` names the column that times the rows, where what belongs together lies within a day; `of` the relation of both.
    After any change of one of `parents` all rows are in question.
#}
{% macro in_question(column, tables, since=none, of=none, parents=[]) -%}
    {%- set ids, moments = [], [] -%}
    {%- set failing = failed_before(column) if looks_at_new() else none -%}
    {%- if failing is none -%}
        {{ return('true') }}
    {%- endif -%}
    {%- for table in tables + parents -%}
        {%- set files = files_in_question(table) -%}
        {%- if files is none or (files and table in parents) -%}
            {{ return('true') }}
        {%- endif -%}
        {%- if files -%}
            {%- set rows = landing(table ~ '_by_file') ~ ' where landing_file in (' ~ files | join(', ') ~ ')' -%}
            {%- do ids.append('select ' ~ column ~ ' from ' ~ rows) -%}
            {%- if since -%} {%- do moments.append(row_of('select min(' ~ since ~ ') from ' ~ rows)[0]) -%} {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set moments = moments | reject('none') | list -%}
    {%- set conditions, prefix = [], of ~ '.' if of else '' -%}
    {#- A row without its id is nobody's, and cannot be found by it. -#}
    {%- if ids -%}
        {%- do conditions.append(prefix ~ column ~ ' in (' ~ ids | join(' union all ') ~ ') or ' ~ prefix ~ column ~ ' is null') -%}
    {%- endif -%}
    {%- if failing -%} {%- do conditions.append(prefix ~ column ~ ' in (' ~ failing | join(', ') ~ ')') -%} {%- endif -%}
    ({{ conditions | join(' or ') if conditions else 'false' }})
    {%- if moments and not failing %}
        and {{ prefix ~ since }} >= {{ days_after("cast('" ~ (moments | min | string)[:19] ~ "' as timestamp)", -1) }}
    {%- endif -%}
{%- endmacro %}

{# A condition on the rows of a source table with their files, that they are new; 'true' where all are. #}
{% macro new_in_files(table) -%}
    {%- set files = files_in_question(table) -%}
    {{ return('true' if files is none else 'landing_file in (' ~ files | join(', ') ~ ')' if files else 'false') }}
{%- endmacro %}

{# A condition that is true at least for the rows of a relation that may share their key with a new row. #}
{% macro key_in_question(relation, columns, touched) -%}
    {%- set name = relation.identifier -%}
    {%- if touched -%}
        {{ return(touched_lately(name, touched.kind, by=touched.by, since=touched.get('since'))) }}
    {%- endif -%}
    {%- set failing = failed_before(columns[0]) if looks_at_new() and name.startswith('stg_') else none -%}
    {%- set condition = 'true' if failing is none else new_in_files(name[4:]) -%}
    {%- if condition == 'true' -%}
        {{ return('true') }}
    {%- endif -%}
    ({{ columns | join(', ') }}) in (
        select {{ columns | join(', ') }} from {{ landing(name[4:] ~ '_by_file') }} where {{ condition }}
    )
    {%- if failing %} or {{ columns[0] }} in ({{ failing | join(', ') }}){% endif %}
{%- endmacro %}

{# Paths, as SQL literals, of a source table's files that this check has not looked at; none if that is all of them. #}
{% macro files_in_question(table) -%}
    {%- set checked = checked_last() -%}
    {%- if not checked -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set files = loaded_files(table, {'after': checked.load_id}) -%}
    {{ return(files.fresh + files.replaced) }}
{%- endmacro %}

{#
    A condition that is true at least for a mart's rows that were touched since this check looked last, or whose `by`
    failed then. kind: sessions, page_orders, orders that changed themselves, or with `named_orders` also those that an
    event named. since: as with is_touched(). keeps_rows: whether the check keeps rows of the mart, or all is looked
    at after it failed.
#}
{% macro touched_lately(mart, kind, by, since=none, keeps_rows=true) -%}
    {%- set failing = failed_before(by.split('.')[-1] if keeps_rows else none) if looks_at_new() else none -%}
    {%- if failing is none -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set checked = checked_last() -%}
    {%- set built = row_of(
        'select max(load_id), cast(max(full_at) as ' ~ dbt.type_string() ~ ') from ' ~ landing('processed') ~ " where model = '" ~ mart ~ "'"
    ) -%}
    {%- if not checked or built[1] is none or built[1] > checked.run_at -%}
        {{ return('true') }}
    {%- endif -%}
    {%- set loads = in_loads({'after': checked.load_id, 'upto': built[0]}) -%}
    {%- set log = landing('touched_' ~ ('orders' if kind == 'named_orders' else kind)) ~ ' where ' ~ loads -%}
    {%- if kind == 'page_orders' and since -%}
        {%- set elsewhere = in_other_sessions(order_events_before(), log, landing('touched_sessions') ~ ' where ' ~ loads) -%}
        {#- What other sessions tell of the order may be older than the moment that was noted. -#}
        {%- if row_of('select count(*) from (' ~ elsewhere ~ ') as elsewhere')[0] | int > 0 -%} {%- set since = none -%} {%- endif -%}
    {%- endif -%}
    {%- set touched = 'select ' ~ ('session_id' if kind == 'sessions' else 'order_id') ~ ' from ' ~ log -%}
    {#- Of an order that others report, nobody knows the date. -#}
    {%- set dated = touched ~ ' and since is not null' -%}
    {%- set conditions = [by ~ ' in (' ~ dated ~ ')' ~ not_before(since, row_of('select min(since) from ' ~ log)[0])] -%}
    {%- set others = touched ~ " and reported_by = 'events' and order_id not in (" ~ dated ~ ')' -%}
    {%- if kind == 'named_orders' and row_of('select count(*) from (' ~ others ~ ') as others')[0] | int > 0 -%}
        {%- do conditions.append(by ~ ' in (' ~ others ~ ')') -%}
    {%- endif -%}
    {%- if failing -%} {%- do conditions.append(by ~ ' in (' ~ failing | join(', ') ~ ')') -%} {%- endif -%}
    ({{ conditions | join(' or ') }})
{%- endmacro %}

{#
    The values of a column in the rows that this check kept when it ran last, as SQL literals; none where they are too
    many to name, or null, so that the check looks at everything.
#}
{% macro failed_before(column) -%}
    {%- if load_relation(this) is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if not column -%}
        {{ return(none if row_of('select count(*) from ' ~ this)[0] | int > 0 else []) }}
    {%- endif -%}
    {%- set found = rows_of('select distinct cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ') from ' ~ this ~ ' limit 1001') -%}
    {%- set values = [] -%}
    {%- for row in found -%}
        {%- if row[0] is none -%} {{ return(none) }} {%- endif -%}
        {%- do values.append("'" ~ row[0].replace("'", "''") ~ "'") -%}
    {%- endfor -%}
    {{ return(none if found | length > 1000 else values) }}
{%- endmacro %}
