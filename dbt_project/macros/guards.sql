{#
    What the scheme by day (days.sql) relies on. Before a run builds anything, the ids that affected days name are looked
    up in all source rows. Where a guard is broken, no earlier run counts as complete: all days are rebuilt, in this
    run and until one finds the guards whole.
#}

{% macro look_at_guards() -%}
    {%- if execute and flags.WHICH in ('run', 'build') and not var('only_days') -%}
        {%- if flags.FULL_REFRESH or flags.EMPTY -%} {%- call statement(auto_begin=false) -%} delete from {{ landing('complete_runs') }} {%- endcall -%} {%- endif -%}
        {%- set broken -%}
        insert into {{ landing('broken_guards') }}
        with naming as ({{ sessions_naming_orders() }})
        {{ session_that_is_too_long() }}
        union all
        {{ order_in_several_sessions() }}
        union all
        {{ order_far_from_its_events() }}
        {%- endset -%}
        {%- set forget = 'delete from ' ~ landing('complete_runs') ~ ' where exists (select 1 from ' ~ landing('broken_guards') ~ ')' -%}
        {{ in_turn(['delete from ' ~ landing('broken_guards'), broken, forget]) }}
    {%- endif -%}
{%- endmacro %}

{% macro session_that_is_too_long() -%}
    {%- set days = affected_days('events') -%}
    select 'sessions last over more than {{ var('session_days') + 1 }} days' as guard, count(*) as cases
    from (
        select user_id, session_id
        from {{ source('raw', 'events') }}
        {% if days is not none -%}
        where session_id in (select session_id from {{ source('raw', 'events') }} where {{ in_days('created_at', days) }})
        {%- endif %}
        group by user_id, session_id
        having max(created_at) >= {{ days_after('cast(min(created_at) as date)', var('session_days') + 1) }}
    ) as cases
    having count(*) > 0
{%- endmacro %}

{# Which days of orders are rebuilt is derived from the days of events, so orders of affected days are looked up too. #}
{% macro sessions_naming_orders() -%}
    {%- set days = affected_days('events') -%}
    select order_id, user_id, session_id, min(created_at) as first_at, max(created_at) as last_at
    from {{ source('raw', 'events') }}
    where order_id is not null
    {%- if days is not none %} and order_id in (
        select order_id from {{ source('raw', 'events') }} where {{ in_days('created_at', days) }}
        union all
        select order_id from {{ source('raw', 'orders') }} where {{ in_days('created_at', affected_days('order_rows')) }}
    ) {%- endif %}
    group by order_id, user_id, session_id
{%- endmacro %}

{% macro order_in_several_sessions() -%}
    select 'orders are named in several sessions' as guard, count(*) as cases
    from (select order_id from naming group by order_id having count(*) > 1) as cases
    having count(*) > 0
{%- endmacro %}

{% macro order_far_from_its_events() -%}
    select 'orders lie more than {{ 2 * var('session_days') }} days from an event that names them' as guard, count(*) as cases
    from naming
    inner join {{ source('raw', 'orders') }} as orders on naming.order_id = orders.order_id
    where
        naming.first_at < {{ days_after('cast(orders.created_at as date)', -2 * var('session_days')) }}
        or naming.last_at >= {{ days_after('cast(orders.created_at as date)', 2 * var('session_days') + 1) }}
    having count(*) > 0
{%- endmacro %}
