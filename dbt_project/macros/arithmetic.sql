{# A part of a whole as a double between 0 and 1; null where there is no whole. #}
{% macro share(part, whole) -%}
    cast({{ part }} as {{ double_type() }}) / nullif({{ whole }}, 0)
{%- endmacro %}

{#
    The mean of amounts with two decimals, exact, half a cent rounded away from zero; null over no amounts. On DuckDB
    a decimal divided by a number is a double, in which 286.215 is a little less and becomes 286.21.
#}
{% macro mean_of_money(amount) -%}
    {#- Half rounded up is (2 * sum + count) / (2 * count), whole cents by whole cents. -#}
    {%- set cents, count = 'sum(' ~ amount ~ ') * 100', 'count(' ~ amount ~ ')' -%}
    cast(
        sign(sum({{ amount }})) * cast(
            {{ whole_quotient('abs(' ~ cents ~ ') * 2 + ' ~ count, 'nullif(2 * ' ~ count ~ ', 0)') }} as decimal(18, 0)
        ) * 0.01 as decimal(18, 2)
    )
{%- endmacro %}

{# The mean of integer microseconds in seconds; null over no rows. avg(interval) drifts on DuckDB. #}
{% macro mean_seconds(microseconds) -%}
    cast(sum({{ microseconds }}) as {{ double_type() }}) / nullif(count({{ microseconds }}), 0) / 1000000
{%- endmacro %}

{#
    One bound ('+' or '-') of the 95 % Wilson score interval of successes of trials, which holds for small groups too.
#}
{% macro wilson_bound(successes, trials, direction) -%}
    {%- set z = 1.959964 -%}
    (
        {{ share(successes, trials) }} + {{ share(z * z / 2, trials) }}
        {{ direction }} {{ z }} * sqrt(
            (
                {{ share(successes, trials) }} * (1 - {{ share(successes, trials) }})
                + {{ share(z * z / 4, trials) }}
            ) / nullif({{ trials }}, 0)
        )
    ) / (1 + {{ share(z * z, trials) }})
{%- endmacro %}
