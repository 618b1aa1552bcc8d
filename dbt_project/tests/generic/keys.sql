{#
    Rows that share a key with another row, and rows with a key column missing. affected: [column, what], as
    in_affected_days() takes them: the keys of those days are looked up in all rows.
#}
{% test is_key(model, columns, affected=none) %}
    {% set condition = in_affected_days(affected[0], affected[1]) if affected else 'true' %}
    {% set key = columns | join(', ') %}
    with duplicated as (
        select {{ key }}
        from {{ model }}
        {% if condition != 'true' %} where ({{ key }}) in (select {{ key }} from {{ model }} where {{ condition }}) {% endif %}
        group by {{ key }}
        having count(*) > 1
    )

    {# Whole rows are read of duplicates alone. #}
    select *
    from {{ model }}
    where ({{ key }}) in (select {{ key }} from duplicated)
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
    with candidates as (
        select * from {{ model }}
    )

    select candidates.*
    from candidates
    where
        candidates.{{ column }} is not null
        and not exists (
            select 1
            from {{ to }} as parent
            where parent.{{ field }} = candidates.{{ column }}
        )
{% endtest %}
