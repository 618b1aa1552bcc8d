{#
    The gaps between engines, one dispatch macro each. Models call these instead of writing
    an engine's own functions; a new engine adds its variant here and nowhere else.
#}

{# Whole microseconds from one timestamp to another: integers, so that sums do not drift. #}
{% macro microseconds_between(start, stop) -%}
    {{ return(adapter.dispatch('microseconds_between', 'greenery')(start, stop)) }}
{%- endmacro %}

{% macro duckdb__microseconds_between(start, stop) -%}
    date_diff('microsecond', {{ start }}, {{ stop }})
{%- endmacro %}

{# A moment, or the next microsecond after another one where that is not before it; the other may be null. #}
{% macro not_before_last(moment, last) -%}
    {{ return(adapter.dispatch('not_before_last', 'greenery')(moment, last)) }}
{%- endmacro %}

{% macro duckdb__not_before_last(moment, last) -%}
    greatest({{ moment }}, {{ last }} + to_microseconds(1))
{%- endmacro %}

{# How often one whole number, both at least zero, goes into another, as a whole number: `/` gives a double. #}
{% macro whole_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('whole_quotient', 'greenery')(dividend, divisor)) }}
{%- endmacro %}

{% macro duckdb__whole_quotient(dividend, divisor) -%}
    (cast({{ dividend }} as hugeint) // {{ divisor }})
{%- endmacro %}

{# A timestamp a number of whole days later. #}
{% macro days_after(moment, days) -%}
    {{ return(adapter.dispatch('days_after', 'greenery')(moment, days)) }}
{%- endmacro %}

{% macro duckdb__days_after(moment, days) -%}
    ({{ moment }} + to_days({{ days }}))
{%- endmacro %}

{#
    The next strictly later value of a column within a partition. lead() would return a tied one.
    The frame takes the whole next group of equal timestamps.
#}
{% macro next_later(column, partition_by) -%}
    {{ return(adapter.dispatch('next_later', 'greenery')(column, partition_by)) }}
{%- endmacro %}

{% macro default__next_later(column, partition_by) -%}
    min({{ column }}) over (
        partition by {{ partition_by | join(', ') }}
        order by {{ column }}
        groups between 1 following and 1 following
    )
{%- endmacro %}

{# Whether a text ends with another. #}
{% macro ends_with(text, end) -%}
    {{ return(adapter.dispatch('ends_with', 'greenery')(text, end)) }}
{%- endmacro %}

{% macro duckdb__ends_with(text, end) -%}
    ends_with({{ text }}, {{ end }})
{%- endmacro %}

{# The greatest of some ids, as an aggregate or, with `over`, as a window: of those that can only be one, that one. #}
{% macro highest_id(column, over=none) -%}
    {{ return(adapter.dispatch('highest_id', 'greenery')(column, over)) }}
{%- endmacro %}

{% macro default__highest_id(column, over) -%}
    max({{ column }}) {%- if over %} over ({{ over }}){% endif %}
{%- endmacro %}
