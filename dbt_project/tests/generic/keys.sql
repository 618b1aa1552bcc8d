{#
    Rows that share a key with another row, and rows with a key column missing. affected: [column, what], as
    in_affected_days() takes them: the keys of those days are looked up in all rows.
#}
{% test is_key(model, columns, affected=none) %}
    {% set condition = in_affected_days(affected[0], affected[1]) if affected else 'true' %}
    with candidates as (
        select * from {{ model }}
    ),

    duplicated as (
        select {{ columns | join(', ') }}
        from candidates
        {% if condition != 'true' %}
            where ({{ columns | join(', ') }}) in (select {{ columns | join(', ') }} from candidates where {{ condition }})
        {% endif %}
        group by {{ columns | join(', ') }}
        having count(*) > 1
    )

    select candidates.*
    from candidates
    inner join duplicated
        on {% for column in columns %}
            candidates.{{ column }} = duplicated.{{ column }}
            {% if not loop.last %} and {% endif %}
        {% endfor %}
    union all
    select *
    from candidates
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
