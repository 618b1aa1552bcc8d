{# A part of a whole as a double between 0 and 1; null where there is no whole. #}
{% macro share(part, whole) -%}
    cast({{ part }} as double precision) / nullif({{ whole }}, 0)
{%- endmacro %}

{# The mean of integer microseconds in seconds; null over no rows. avg(interval) drifts on DuckDB. #}
{% macro mean_seconds(microseconds) -%}
    cast(sum({{ microseconds }}) as double precision) / nullif(count({{ microseconds }}), 0) / 1000000
{%- endmacro %}

{#
    One bound of the 95 % Wilson score interval of a share: successes of trials; direction is '+' or '-'.
    It keeps its coverage for small groups, where the textbook interval does not.
#}
{% macro wilson_bound(successes, trials, direction) -%}
    {%- set z = 1.959964 -%}
    (
        {{ share(successes, trials) }} + {{ z * z / 2 }} / nullif({{ trials }}, 0)
        {{ direction }} {{ z }} * sqrt(
            (
                {{ share(successes, trials) }} * (1 - {{ share(successes, trials) }})
                + {{ z * z / 4 }} / nullif({{ trials }}, 0)
            ) / nullif({{ trials }}, 0)
        )
    ) / (1 + {{ z * z }} / nullif({{ trials }}, 0))
{%- endmacro %}
