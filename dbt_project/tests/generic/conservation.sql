{#
    One row for each total that differs between a model and what it was built from.
    totals names each: [an aggregate over the model, the aggregate over the other relation it must equal].
    touched: of a mart's new rows, as touched_lately() asks for it, with there_since for the other relation.
#}
{% test adds_up_to(model, to, totals, touched=none) %}
    {% set here_condition, there_condition = 'true', 'true' %}
    {% if touched %}
        {% set here_condition = touched_lately(model.identifier, touched.kind, touched.by, touched.get('since'), keeps_rows=false) %}
        {% set there_condition = touched_lately(model.identifier, touched.kind, touched.by, touched.get('there_since'), keeps_rows=false) %}
    {% endif %}
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
        from (select {{ here }} as amount from {{ model }} where {{ here_condition }}) as built
        cross join (select {{ there }} as amount from {{ to }} where {{ there_condition }}) as expected
        where coalesce(built.amount, 0) <> coalesce(expected.amount, 0)
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
{% endtest %}
