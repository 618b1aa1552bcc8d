{#
    At the end of a run: notes in quality.durations how long each model, snapshot and test took, and forgets what is older
    than GREENERY_KEEP_DAYS, if that is given. Runs of different kinds do different work, so only those of one kind can be
    compared.
#}
{% macro note_durations(results) -%}
    {%- set kinds = ['model', 'snapshot', 'test'] -%}
    {%- set durations = landing('durations', 'quality') -%}
    {%- set done = results | selectattr('node.resource_type', 'in', kinds) | rejectattr('status', 'in', ['skipped', 'error']) | list -%}
    {#- A warehouse that this release has not loaded yet has no such table. -#}
    {%- if not execute or flags.EMPTY or not done or load_relation(durations) is none -%} {{ return('') }} {%- endif -%}
    {%- set kind = 'part of a full refresh' if var('only_days') else 'full refresh' if flags.FULL_REFRESH
        else 'named days' if var('days') else 'affected days' if env_var('GREENERY_CHECKS', 'all') == 'new' else 'all checks' -%}
    {%- set keep_days = env_var('GREENERY_KEEP_DAYS', '') -%}
    {%- set forget -%}
        delete from {{ durations }}
        where run_at < cast('{{ (run_started_at - modules.datetime.timedelta(days=keep_days | int)).strftime('%Y-%m-%d %H:%M:%S') }}' as timestamp)
    {%- endset -%}
    {%- set note -%}
        insert into {{ durations }} (run_id, run_at, kind, is_complete, resource_type, name, seconds)
        select
            '{{ env_var('GREENERY_RUN_ID', '') }}', runs.run_at, case when guards.broken > 0 then 'full refresh' else '{{ kind }}' end,
            {{ left_out(results) | select('in', kinds) | list | length == 0 }}, done.resource_type, done.name, done.seconds
        from (
            values
            {% for one in done -%}
            ('{{ one.node.resource_type }}', '{{ one.node.name if one.node.resource_type == 'test' else one.node.schema ~ '.' ~ one.node.name }}', cast({{ one.execution_time | round(3) }} as {{ double_type() }})){{ ',' if not loop.last }}
            {% endfor %}
        ) as done (resource_type, name, seconds)
        cross join (select max(started_at) as run_at from {{ landing('dbt_runs') }}) as runs
        cross join (select count(*) as broken from {{ landing('broken_guards') }}) as guards
    {%- endset -%}
    {{ in_turn(([forget] if keep_days else []) + [note]) }}
{%- endmacro %}
