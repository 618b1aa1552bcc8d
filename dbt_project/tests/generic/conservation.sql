{#
    One row for each total that differs between a model and what it was built from.
    totals names each: [an aggregate over the model, the aggregate over the other relation it must equal].
    affected: [column of both, what], as in_affected_days() takes them.
#}
{% test adds_up_to(model, to, totals, affected=none) %}
    {% set condition = in_affected_days(affected[0], affected[1]) if affected else 'true' %}
    with built as (
        select {% for here, _ in totals.values() %} {{ here }} as total_{{ loop.index }} {% if not loop.last %}, {% endif %} {% endfor %}
        from {{ model }}
        where {{ condition }}
    ),

    expected as (
        select {% for _, there in totals.values() %} {{ there }} as total_{{ loop.index }} {% if not loop.last %}, {% endif %} {% endfor %}
        from {{ to }}
        where {{ condition }}
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
