{# How models that are kept by load (touched.sql) are written, and what is noted of it in schema landing. #}

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
            {%- set since = meta.since or 'cast(null as timestamp)' -%}
            {%- set bounds = row_of(
                'select count(*), min(' ~ since ~ '), max(' ~ since ~ '), count(*) - count(' ~ since ~ ')'
                ~ ' from ' ~ came ~ ' where not is_current'
            ) -%}
            {% if meta.notes is defined %} {{ touched_notes(meta.notes, kept, came, none, loads) }} {% endif %}
            {%- if bounds[0] | int > 0 %}
                delete from {{ kept }} where {{ condition }}
                {%- if bounds[3] | int == 0 %}
                    and {{ meta.since }} >= cast('{{ bounds[1] }}' as timestamp)
                    and {{ meta.since }} <= cast('{{ bounds[2] }}' as timestamp)
                {%- endif -%};
            {%- endif %}
            insert into {{ kept }} ({{ columns }}) select {{ columns }} from {{ came }} where is_current;
        {%- else -%}
            {%- set condition = is_touched_by_meta() -%}
            {%- if condition != 'false' %}
                {% for note in meta.get('notes', []) %} {{ touched_notes(note, kept, came, condition, loads) }} {% endfor %}
                delete from {{ kept }} where {{ condition }};
                insert into {{ kept }} ({{ columns }}) select {{ columns }} from {{ came }};
            {%- endif -%}
        {%- endif -%}
    {%- endif %}
    {{ processed_row(loads) }}
{%- endmacro %}

{#
    Notes whom rows touch: those that came and, where a condition tells them, those they replace. What is added up
    by user is noted as the difference the rows make.
#}
{% macro touched_notes(notes, kept, came, condition, loads) -%}
    {%- if notes == 'events' %}
        {%- set sessions = load_relation(api.Relation.create(
            database=target.database, schema='product', identifier='int_sessions'
        )) -%}
        insert into {{ landing('touched_sessions') }}
        select came.session_id, least(came.since, coalesce(known.since, came.since)), {{ loads.upto }}
        from (select session_id, min(created_at) as since from {{ came }} group by session_id) as came
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
        select distinct order_id, cast(null as uuid), 'events', cast(null as timestamp), {{ loads.upto }}
        from {{ came }} where order_id is not null;
    {%- elif notes == 'orders' %}
        {#- One row before and one after, and nothing else changed: it is in another state. -#}
        insert into {{ landing('touched_orders') }}
        select
            order_id,
            user_id,
            case when count(*) = 2 and count(case when is_current then 1 end) = 1 then 'order_states' else 'orders' end,
            order_date,
            {{ loads.upto }}
        from {{ came }}
        group by order_id, user_id, order_date, order_total, promo_id;
    {%- elif notes == 'order_items' %}
        insert into {{ landing('touched_orders') }}
        select distinct order_id, cast(null as uuid), 'order_items', cast(null as timestamp), {{ loads.upto }} from {{ came }};
    {%- elif notes == 'users' %}
        insert into {{ landing('touched_users') }} select distinct user_id, {{ loads.upto }} from {{ came }};
    {%- elif notes == 'visits' %}
        insert into {{ landing('changed_visits') }}
        select user_id, sum(sign), sum(case when has_checkout then sign else 0 end), {{ loads.upto }}
        from ({{ before_and_after(['user_id', 'has_checkout'], kept, came, condition ~ ' and not is_shared', 'not is_shared') }}) as changes
        group by user_id;
    {%- elif notes == 'user_sessions' %}
        insert into {{ landing('changed_user_sessions') }}
        select
            user_id,
            min(started_at),
            sum(sign),
            sum(case when coalesce(browsing_microseconds, 0) < 60000000 then sign else 0 end),
            sum(sign * coalesce(browsing_microseconds, 0)),
            {{ loads.upto }}
        from ({{ before_and_after(['user_id', 'started_at', 'browsing_microseconds'], kept, came, condition) }}) as changes
        group by user_id;
    {%- elif notes == 'page_orders' %}
        insert into {{ landing('touched_page_orders') }}
        select order_id, min(start_time), {{ loads.upto }}
        from ({{ before_and_after(['order_id', 'start_time'], kept, came, condition) }}) as changes
        where order_id is not null
        group by order_id;
    {%- else -%}
        {%- set column, log = {
            'days': ('cast(started_at as date)', 'touched_days'),
            'buyers': ('user_id', 'touched_buyers'),
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

{# The rows that go, with sign -1, and those that come. #}
{% macro before_and_after(columns, kept, came, going, coming='true') -%}
    select {{ columns | join(', ') }}, -1 as sign from {{ kept }} where {{ going }}
    union all
    select {{ columns | join(', ') }}, 1 as sign from {{ came }} where {{ coming }}
{%- endmacro %}

{#
    The moment that a model is noted with: now, or just after the last one that was noted where the clock was set back
    since. Notes are ordered by it. It is the same whenever one model asks.
#}
{% macro later_than_all_noted() -%}
    {%- set query = 'select cast(' ~ not_before_last(start_of_run(), 'max(run_at)') ~ ' as ' ~ dbt.type_string() ~ ') from (select run_at from ' ~ landing('processed') ~ ' union all select run_at from ' ~ landing('checked') ~ ')' -%}
    {{ return("cast('" ~ row_of(query)[0] ~ "' as timestamp)") }}
{%- endmacro %}

{# When this dbt was started (UTC). #}
{% macro start_of_run() -%}
    {{ return("cast('" ~ run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as timestamp)") }}
{%- endmacro %}

{#
    When a snapshot saw a state: a state may neither end before it began nor begin twice, wherever the clock stands.
    dbt's own is the clock of the session.
#}
{% macro duckdb__snapshot_get_time() -%}
    {%- if execute and load_cached_relation(this) -%}
        (select {{ not_before_last(start_of_run(), 'max(dbt_valid_from)') }} from {{ this }})
    {%- else -%}
        {{ start_of_run() }}
    {%- endif -%}
{%- endmacro %}

{# When it was built anew, and of what, is that of the last time where it was only brought up to date. #}
{% macro processed_row(loads) -%}
    insert into {{ landing('processed') }} values (
        '{{ model.name }}', {{ loads_reached() if loads.all else loads.upto }}, {{ later_than_all_noted() }},
        {{ later_than_all_noted() if loads.all else "cast('" ~ loads.full_at ~ "' as timestamp)" }},
        '{{ definition_of_model() if loads.all else loads.definition }}'
    );
{%- endmacro %}

{# After a model kept by load was built: notes it, unless the strategy has. #}
{% macro note_full_build() -%}
    {%- if execute and model.config.materialized in ('incremental', 'snapshot') -%}
        {%- set noted = row_of(
            'select count(*) from ' ~ landing('processed') ~ " where model = '" ~ model.name
            ~ "' and run_at = " ~ later_than_all_noted()
        )[0] -%}
        {%- if noted | int == 0 -%}
            {{ processed_row(loads_to_see() if model.config.materialized == 'snapshot' else {'all': true}) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    dbt's snapshot joins all the states that it holds, and closes states by the text of a hash. Both can leave out
    what is older than the rows that changed, by the moment that a snapshot's meta names.
#}
{% macro duckdb__snapshot_staging_table(strategy, source_sql, target_relation) -%}
    {%- set recent = recent_states() -%}
    {{ dbt.default__snapshot_staging_table(
        strategy, source_sql,
        '(select * from ' ~ target_relation ~ ' where true' ~ recent ~ ') as held' if recent else target_relation
    ) }}
{%- endmacro %}

{% macro duckdb__snapshot_merge_sql(target, source, insert_cols) -%}
    {{ dbt.duckdb__snapshot_merge_sql(target, source, insert_cols) | replace(
        'dbt_valid_to is null;', 'dbt_valid_to is null' ~ recent_states('DBT_INTERNAL_TARGET.') ~ ';', 1
    ) }}
{%- endmacro %}

{% macro recent_states(prefix='') -%}
    {%- set one = model.config.meta.touched[0] -%}
    {%- set loads = loads_to_see() -%}
    {{ return('' if loads.all else not_before(prefix ~ one.since, row_of(touched_ids(one.kind, loads).since)[0])) }}
{%- endmacro %}
