{# Rows whose value is outside the enumeration; a null is outside too, unless it is allowed. #}
{% test is_one_of(model, column, values, or_null=false) %}
    select *
    from {{ model }}
    where {{ column }} not in ('{{ values | join("', '") }}') {% if not or_null %} or {{ column }} is null {% endif %}
{% endtest %}

{% test is_at_least(model, column, least) %}
    select *
    from {{ model }}
    where {{ column }} < {{ least }} or {{ column }} is null
{% endtest %}
