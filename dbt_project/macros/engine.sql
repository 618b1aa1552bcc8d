{#
    The gaps between engines, one dispatch macro each, its variants beside one another. Models call these instead of
    writing an engine's own functions; a new engine adds its variants here and nowhere else.
#}

{# Whole microseconds from one timestamp to another: integers, so that sums do not drift. #}
{% macro microseconds_between(start, stop) -%} {{ return(adapter.dispatch('microseconds_between')(start, stop)) }} {%- endmacro %}
{% macro duckdb__microseconds_between(start, stop) -%} date_diff('microsecond', {{ start }}, {{ stop }}) {%- endmacro %}
{% macro postgres__microseconds_between(start, stop) -%} cast(extract(epoch from ({{ stop }} - {{ start }})) * 1000000 as bigint) {%- endmacro %}
{% macro spark__microseconds_between(start, stop) -%} (unix_micros({{ stop }}) - unix_micros({{ start }})) {%- endmacro %}

{# A moment, or the next microsecond after another one where that is not before it; the other may be null. #}
{% macro not_before_last(moment, last) -%} {{ return(adapter.dispatch('not_before_last')(moment, last)) }} {%- endmacro %}
{% macro duckdb__not_before_last(moment, last) -%} greatest({{ moment }}, {{ last }} + to_microseconds(1)) {%- endmacro %}
{% macro postgres__not_before_last(moment, last) -%} greatest({{ moment }}, {{ last }} + interval '1 microsecond') {%- endmacro %}
{% macro spark__not_before_last(moment, last) -%} greatest({{ moment }}, {{ last }} + interval '0.000001' second) {%- endmacro %}

{# How often one whole number, both at least zero, goes into another, as a whole number. #}
{% macro whole_quotient(dividend, divisor) -%} {{ return(adapter.dispatch('whole_quotient')(dividend, divisor)) }} {%- endmacro %}
{% macro duckdb__whole_quotient(dividend, divisor) -%} (cast({{ dividend }} as hugeint) // {{ divisor }}) {%- endmacro %}
{% macro postgres__whole_quotient(dividend, divisor) -%} div(cast({{ dividend }} as numeric), {{ divisor }}) {%- endmacro %}
{% macro spark__whole_quotient(dividend, divisor) -%} (cast({{ dividend }} as decimal(38, 0)) div {{ divisor }}) {%- endmacro %}

{# A timestamp a number of whole days later. #}
{% macro days_after(moment, days) -%} {{ return(adapter.dispatch('days_after')(moment, days)) }} {%- endmacro %}
{% macro duckdb__days_after(moment, days) -%} ({{ moment }} + to_days({{ days }})) {%- endmacro %}
{% macro postgres__days_after(moment, days) -%} ({{ moment }} + make_interval(days => {{ days }})) {%- endmacro %}
{% macro spark__days_after(moment, days) -%} (cast({{ moment }} as timestamp) + make_dt_interval({{ days }})) {%- endmacro %}

{#
    The next strictly later value of a column within a partition. lead() would return a tied one.
    The frame takes the whole next group of equal timestamps.
#}
{% macro next_later(column, partition_by) -%}
    min({{ column }}) over (
        partition by {{ partition_by | join(', ') }}
        order by {{ column }}
        {{ adapter.dispatch('next_group')() }}
    )
{%- endmacro %}
{% macro default__next_group() -%} groups between 1 following and 1 following {%- endmacro %}
{# Spark counts no groups. Its timestamps are whole microseconds. #}
{% macro spark__next_group() -%} range between interval '0.000001' second following and unbounded following {%- endmacro %}

{# Whether a text ends with another. #}
{% macro ends_with(text, end) -%} {{ return(adapter.dispatch('ends_with')(text, end)) }} {%- endmacro %}
{% macro duckdb__ends_with(text, end) -%} ends_with({{ text }}, {{ end }}) {%- endmacro %}
{% macro postgres__ends_with(text, end) -%} (right({{ text }}, length({{ end }})) = {{ end }}) {%- endmacro %}
{% macro spark__ends_with(text, end) -%} endswith({{ text }}, {{ end }}) {%- endmacro %}

{# The greatest of some ids, as an aggregate or, with `over`, as a window: of those that can only be one, that one. #}
{% macro highest_id(column, over=none) -%} {{ return(adapter.dispatch('highest_id')(column, over)) }} {%- endmacro %}
{% macro default__highest_id(column, over) -%} max({{ column }}) {%- if over %} over ({{ over }}){% endif %} {%- endmacro %}
{# There is no max() of uuids before PostgreSQL 18. #}
{% macro postgres__highest_id(column, over) -%} cast(max(cast({{ column }} as text) collate "C") {%- if over %} over ({{ over }}){% endif %} as uuid) {%- endmacro %}

{# The post-hook of a table: on PostgreSQL, has a table that was built in full counted before a query is planned by it. #}
{% macro analyze_table() -%} {% if target.type == 'postgres' and not is_incremental() %} analyze {{ this }} {% endif %} {%- endmacro %}

{# The pre-hook of a view: on Spark with Iceberg 1.10, to replace one has no effect. #}
{% macro drop_view_first() -%} {% if target.type == 'spark' %} drop view if exists {{ this }} {% endif %} {%- endmacro %}

{# The type of a double, which standard SQL has another name for than Spark. #}
{% macro double_type() -%} {{ return(adapter.dispatch('double_type')()) }} {%- endmacro %}
{% macro default__double_type() -%} double precision {%- endmacro %}
{% macro spark__double_type() -%} double {%- endmacro %}

{# Statements of one hook, one after the other. Spark takes one a call. #}
{% macro in_turn(statements) -%} {{ return(adapter.dispatch('in_turn')(statements)) }} {%- endmacro %}
{% macro default__in_turn(statements) -%} {{ statements | join(';\n') }} {%- endmacro %}
{% macro spark__in_turn(statements) -%}
    {%- for one in statements[:-1] -%} {%- call statement(auto_begin=false) -%} {{ one }} {%- endcall -%} {%- endfor -%}
    {{ statements | last }}
{%- endmacro %}
