{# How a check finds its failing rows without reading much that is sound. What it looks at is told in checks.sql. #}

{#
    The rows of a relation that a condition is true for. They are counted first, which reads no other columns than the
    condition's: nearly always there are none.
#}
{% macro rows_that(relation, condition) -%}
    {%- set is_evaluated = execute and flags.WHICH in ('build', 'test') -%}
    {%- set are_none = is_evaluated and row_of(
        'select count(*) from ' ~ relation ~ ' as candidate where ' ~ condition
    )[0] | int == 0 -%}
    select candidate.*
    from {{ relation }} as candidate
    where ({{ condition }}) {%- if are_none %} and false {%- endif -%}
{%- endmacro %}

{#
    A condition on `candidate` that no row of a relation has the values of its columns in `fields`; a candidate with a null is
    missing. With few candidates `not exists` lets DuckDB hash those; with many it may, too, as it guesses their number
    too low, where `not in` hashes the relation.
#}
{% macro is_missing_from(columns, to, fields) -%}
    {%- set alike, nulls, are_set = [], [], [] -%}
    {%- for column in columns -%}
        {%- set field = 'parent.' ~ fields[loop.index0] -%}
        {%- do alike.append(field ~ ' = candidate.' ~ column) -%}
        {%- do nulls.append('candidate.' ~ column ~ ' is null') -%}
        {%- do are_set.append(field ~ ' is not null') -%}
    {%- endfor -%}
    {%- if looks_at_new() -%}
        not exists (select 1 from {{ to }} as parent where {{ alike | join(' and ') }})
    {%- else -%}
        ({{ nulls | join(' or ') }} or (candidate.{{ columns | join(', candidate.') }}) not in (
            select parent.{{ fields | join(', parent.') }} from {{ to }} as parent where {{ are_set | join(' and ') }}
        ))
    {%- endif -%}
{%- endmacro %}

{#
    The events of a type that share their order with another of it.

    What came before is looked up in int_order_events, a tenth of the events; only where an order seems to have another
    there, which may be a row that a changed file has replaced, are all events looked through. `held` is an expression
    that counts the events of one of its rows: one at the most will do, as what was there before has passed. Events
    without a session or a moment, which that table may lack, are stopped by checks of their own.
#}
{% macro events_of_one_order(event_type, held) -%}
    {%- set before = order_events_before() -%}
    {%- set checked = checked_last() if looks_at_new() else none -%}
    {%- set failing = failed_before('order_id') if checked else none -%}
    {%- set built = processed().get('int_order_events') if failing == [] else none -%}
    {%- set is_sound = [] -%}
    {%- if built and built.load_id >= checked.load_id and load_relation(before) is not none -%}
        {%- set arrived_events -%}
            {{ arrived('events') }} as arrived where event_type = '{{ event_type }}' and order_id is not null
        {%- endset -%}
        {%- set seemingly_repeated -%}
            select order_id
            from (
                select order_id, count(*) as events from {{ arrived_events }} group by order_id
                union all
                select order_id, {{ held }} from {{ before }}
                where order_id in (select order_id from {{ arrived_events }})
            ) as counted
            group by order_id
            having sum(events) > 1
        {%- endset -%}
        {%- if row_of('select count(*) from (' ~ seemingly_repeated ~ ') as repeated')[0] | int == 0 -%}
            {%- do is_sound.append(true) -%}
        {%- endif -%}
    {%- endif -%}
    with repeated as (
        select order_id
        from {{ ref('stg_events') }}
        where
            event_type = '{{ event_type }}'
            and {{ 'false' if is_sound else in_question('order_id', ['events']) }}
        group by order_id
        having count(*) > 1
    )

    select events.*
    from {{ ref('stg_events') }} as events
    inner join repeated
        on events.order_id = repeated.order_id
    where
        events.event_type = '{{ event_type }}'
        and {{ 'false' if is_sound else in_question('order_id', ['events'], of='events') }}
{%- endmacro %}

{# int_order_events as it is when a check asks, which does not wait for it. #}
{% macro order_events_before() -%}
    {{ return(api.Relation.create(database=target.database, schema='core', identifier='int_order_events')) }}
{%- endmacro %}
