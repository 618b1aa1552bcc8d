{#
    Models that are kept up to date by load. The loader numbers its loads and keeps the versions of all source files
    (greenery_assets/landing/ledger.py, schema landing). Each dim_ model takes over what was loaded since it was built
    last and notes whom that touches: sessions, orders, users, days (keeping.sql). The models after it recompute the rows
    of whom was touched since they were built last, however often a failed check kept them from it. Everything a model
    does, its notes included, is one transaction.

    A model says in its meta what a row belongs to:
        touched: a list of {kind: one of touched_ids(), by: its column, since: the column that times its rows, if any}
        notes: what touched_notes() is to note of its rows, for the models after it
#}

{#
    SQL of the ids that were touched, by kind, and of the earliest moment of any of their rows (null: any time).
#}
{% macro touched_ids(kind, loads) -%}
    {% set range = in_loads(loads) %}
    {% set sessions = landing('touched_sessions') ~ ' where ' ~ range %}
    {% set orders = landing('touched_orders') ~ ' where ' ~ range %}
    {% if kind == 'sessions' %}
        {{ return({'ids': 'select session_id from ' ~ sessions, 'since': 'select min(since) from ' ~ sessions}) }}
    {% elif kind == 'page_orders' %}
        {% set touched = landing('touched_page_orders') ~ ' where ' ~ range %}
        {% set elsewhere = in_other_sessions(ref('int_order_events'), touched, sessions) %}
        {{ return({
            'ids': 'select order_id from ' ~ touched,
            'since': earliest('select since from ' ~ touched, elsewhere, ref('int_sessions'), 'session_id', 'started_at'),
        }) }}
    {% elif kind == 'product_days' %}
        {% set days = 'select day from ' ~ landing('touched_days') ~ ' where ' ~ range %}
        {# Whose order has other items, although nothing happened in the session itself. #}
        {% set bought -%}
            select session_id from {{ ref('int_order_events') }}
            where number_of_checkouts > 0 and order_id in (
                select order_id from {{ orders }} and reported_by = 'order_items'
            ) and session_id not in (select session_id from {{ sessions }})
        {%- endset %}
        {% if row_of('select count(*) from (' ~ bought ~ ') as bought')[0] | int > 0 %}
            {% set days -%}
                {{ days }} union
                select cast(started_at as date) from {{ ref('int_sessions') }} where session_id in ({{ bought }})
            {%- endset %}
        {% endif %}
        {{ return({'ids': days, 'since': 'select min(day) from (' ~ days ~ ') as days'}) }}
    {% elif kind == 'days' %}
        {% set days = landing('touched_days') ~ ' where ' ~ range %}
        {{ return({'ids': 'select day from ' ~ days, 'since': 'select min(day) from ' ~ days}) }}
    {% elif kind == 'orders' %}
        {# An event may name an order that did not change itself. #}
        {% set known = 'select order_id from ' ~ orders ~ " and reported_by in ('orders', 'order_states')" %}
        {% set named = 'select order_id from ' ~ orders ~ " and reported_by = 'events' and order_id not in (" ~ known ~ ')' %}
        {{ return({
            'ids': 'select order_id from ' ~ orders ~ " and reported_by in ('orders', 'order_states', 'events')",
            'since': earliest('select since from ' ~ orders, named, ref('dim_orders'), 'order_id', 'order_date'),
        }) }}
    {% elif kind == 'order_rows' or kind == 'order_states' %}
        {% set rows = orders ~ " and reported_by in ('order_states'" ~ (", 'orders')" if kind == 'order_rows' else ')') %}
        {{ return({'ids': 'select order_id from ' ~ rows, 'since': 'select min(since) from ' ~ rows}) }}
    {% elif kind == 'ordered' %}
        {{ return({'ids': 'select order_id from ' ~ orders ~ " and reported_by in ('orders', 'order_items')"}) }}
    {% elif kind == 'order_users' %}
        {% set users = 'select user_id from ' ~ orders ~ " and reported_by = 'orders'" %}
        {% set items -%}
            select order_id from {{ orders }} and reported_by = 'order_items'
            and order_id not in (select order_id from {{ orders }} and reported_by = 'orders')
        {%- endset %}
        {% if row_of('select count(*) from (' ~ items ~ ') as items')[0] | int > 0 %}
            {% set users = users ~ ' union select user_id from ' ~ ref('dim_orders') ~ ' where order_id in (' ~ items ~ ')' %}
        {% endif %}
        {{ return({'ids': users}) }}
    {% elif kind == 'buyers' %}
        {{ return({'ids': 'select user_id from ' ~ landing('touched_buyers') ~ ' where ' ~ range}) }}
    {% elif kind == 'visitors' %}
        {{ return({'ids': 'select visits.user_id from ' ~ landing('changed_visits') ~ ' as visits where ' ~ in_loads(loads, 'visits')}) }}
    {% elif kind == 'users' %}
        {% set users = [] %}
        {% for name in ('touched_users', 'touched_buyers', 'changed_user_sessions') %}
            {% do users.append('select ' ~ name ~ '.user_id from ' ~ landing(name) ~ ' as ' ~ name ~ ' where ' ~ in_loads(loads, name)) %}
        {% endfor %}
        {{ return({'ids': users | join(' union ')}) }}
    {% endif %}
    {% do exceptions.raise_compiler_error('No kind of what is touched: ' ~ kind) %}
{%- endmacro %}

{# SQL of the sessions that were not touched themselves, but name an order that was. #}
{% macro in_other_sessions(order_events, touched_orders, touched_sessions) -%}
    select session_id from {{ order_events }}
    where order_id in (select order_id from {{ touched_orders }})
        and session_id not in (select session_id from {{ touched_sessions }} and session_id is not null)
{%- endmacro %}

{#
    SQL of the earliest of some moments and of those of the rows of a table with these ids. It is only looked for in
    the table, which has no order by id, where there are such ids.
#}
{% macro earliest(moments, ids, table, id, moment) -%}
    {% if row_of('select count(*) from (' ~ ids ~ ') as ids')[0] | int > 0 %}
        {% set moments = moments ~ ' union all select ' ~ moment ~ ' as since from ' ~ table ~ ' where ' ~ id ~ ' in (' ~ ids ~ ')' %}
    {% endif %}
    {{ return('select min(since) from (' ~ moments ~ ') as moments') }}
{%- endmacro %}

{#
    A condition that is true for the rows of whom was touched; where the model is built anew, `in_full`, which is
    true for all rows. `since` names the column that times the rows, so that what is older is not read; its bound is
    a constant for that reason.
#}
{% macro is_touched(kind, by, since=none, in_full='true') -%}
    {%- set loads = loads_to_see() -%}
    {%- if loads.all -%}
        {{ in_full }}
    {%- else -%}
        {%- set touched = touched_ids(kind, loads) -%}
        {%- set bound = row_of(
            'select count(*), (' ~ touched.get('since', 'select null') ~ ') from (' ~ touched.ids ~ ') as touched'
        ) -%}
        {%- if bound[0] | int == 0 -%}
            false
        {%- else -%}
            {{ by }} in ({{ touched.ids }}) {{- not_before(since, bound[1]) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{# The end of a condition: not before a moment, to the day, as some columns are days. #}
{% macro not_before(since, moment) -%}
    {%- if since and moment is not none %} and {{ since }} >= cast('{{ (moment | string)[:10] }}' as date){% endif -%}
{%- endmacro %}

{# A condition that is true for the rows that a model's meta says are touched. #}
{% macro is_touched_by_meta() -%}
    {%- set conditions = [] -%}
    {%- for one in model.config.meta.touched -%}
        {%- do conditions.append(is_touched(one.kind, one.by, one.get('since'))) -%}
    {%- endfor -%}
    {%- set conditions = conditions | reject('equalto', 'false') | list -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else 'false') }}
{%- endmacro %}
