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
    with built as (
        select {% for here, _ in totals.values() %} {{ here }} as total_{{ loop.index }} {% if not loop.last %}, {% endif %} {% endfor %}
        from {{ model }}
        where {{ here_condition }}
    ),

    expected as (
        select {% for _, there in totals.values() %} {{ there }} as total_{{ loop.index }} {% if not loop.last %}, {% endif %} {% endfor %}
        from {{ to }}
        where {{ there_condition }}
    )

    {% for name in totals %}
        {% set built, expected = 'coalesce(built.total_' ~ loop.index ~ ', 0)', 'coalesce(expected.total_' ~ loop.index ~ ', 0)' %}
        select
            '{{ name }}' as total,
            cast({{ built }} as decimal(18, 2)) as built,
            cast({{ expected }} as decimal(18, 2)) as expected
        from built
        cross join expected
        where {{ built }} <> {{ expected }}
        {% if not loop.last %} union all {% endif %}
    {% endfor %}
{% endtest %}
