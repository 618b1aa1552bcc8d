{#
    Rows that share a key with another row, and rows with a key column missing. Of new source rows it is asked whether any
    other has their key; of a mart, which holds nothing else of whom they belong to, whether one of them has.
    touched: what a mart's new rows are, as touched_lately() asks for it.
#}
{% test is_key(model, columns, touched=none) %}
    {% set names = columns | join(', ') %}
    {% set condition = key_in_question(model, columns, touched) %}
    with duplicated as (
        select {{ names }}
        from {{ model }}
        where {{ condition }}
        group by {{ names }}
        having count(*) > 1
    )

    select candidate.*
    from {{ model }} as candidate
    inner join duplicated
        on {% for column in columns %}
            candidate.{{ column }} = duplicated.{{ column }}
            {% if not loop.last %} and {% endif %}
        {% endfor %}
    union all
    select *
    from {{ model }}
    where {% for column in columns %} {{ column }} is null {% if not loop.last %} or {% endif %} {% endfor %}
{% endtest %}

{% test is_set(model, column) %}
    select *
    from {{ model }}
    where {{ column }} is null
{% endtest %}

{# Rows that name a row of another table which is not there. A null names nothing. #}
{% test refers_to(model, column, to, field) %}
    {{ rows_that(
        arrived(model.identifier[4:], failing_by=column, staged=model),
        column ~ ' is not null and ' ~ is_missing_from([column], to, [field])
    ) }}
{% endtest %}
