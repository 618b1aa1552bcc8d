{#
    One row for each total that differs between a model and what it was built from.
    totals names each: [an aggregate over the model, the aggregate over the other relation it must equal].
#}
{% test adds_up_to(model, to, totals) %}
    {% for name, (here, there) in totals.items() %}
        select
            '{{ name }}' as total,
            cast(coalesce(built.amount, 0) as decimal(18, 2)) as built,
            cast(coalesce(expected.amount, 0) as decimal(18, 2)) as expected,
            '{{ name }}: '
            || cast(cast(coalesce(built.amount, 0) as decimal(18, 2)) as {{ dbt.type_string() }})
            || ' here, '
            || cast(cast(coalesce(expected.amount, 0) as decimal(18, 2)) as {{ dbt.type_string() }})
            || ' there.' as finding
        from (select {{ here }} as amount from {{ model }}) as built
        cross join (select {{ there }} as amount from {{ to }}) as expected
        where coalesce(built.amount, 0) <> coalesce(expected.amount, 0)
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
{% endtest %}
