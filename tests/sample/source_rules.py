"""The assumptions about the sources as small queries of the tests' own: each counts what breaks it.

Written apart from the project's checks on purpose. Where a null is broken by itself (A15), the other
rules leave it out. Not here: rules on volume and freshness, which are figures rather than rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from greenery_assets.sample import SampleSpec
from greenery_assets.sample.build import build
from greenery_assets.sample.database import connect

UNTIL = date(2025, 6, 30)

KEYS = {
    "users": "user_id",
    "addresses": "address_id",
    "products": "product_id",
    "promos": "promo_id",
    "orders": "order_id",
    "order_items": "order_id, product_id",
    "events": "event_id",
}
REQUIRED = {
    "users": ["user_id"],
    "addresses": ["address_id"],
    "products": ["product_id"],
    "promos": ["promo_id"],
    "orders": ["order_id", "user_id", "created_at"],
    "order_items": ["order_id", "product_id"],
    "events": ["event_id", "session_id", "user_id", "event_type", "created_at"],
}
REFERENCES = [
    ("users", "address_id", "addresses"),
    ("orders", "address_id", "addresses"),
    ("orders", "promo_id", "promos"),
    ("order_items", "order_id", "orders"),
    ("order_items", "product_id", "products"),
    ("events", "order_id", "orders"),
    ("events", "product_id", "products"),
]
VALUES = {
    "events.event_type": ("page_view", "add_to_cart", "checkout", "package_shipped"),
    "orders.status": ("preparing", "shipped", "delivered"),
    "orders.shipping_service": ("ups", "fedex", "usps", "dhl"),
    "promos.status": ("active", "inactive"),
}
SMALLEST = {
    "products.price": 0,
    "products.inventory": 0,
    "promos.discount": 0,
    "orders.order_cost": 0,
    "orders.shipping_cost": 0,
    "orders.order_total": 0,
    "order_items.quantity": 1,
}

KNOWN_USERS = "(select user_id from users where user_id is not null)"
RULES = {
    "A01": f"select count(*) from events where user_id not in {KNOWN_USERS}",
    "A02": f"select count(*) from orders where user_id not in {KNOWN_USERS}",
    "A03": """select count(*) - count(distinct order_id) from events
              where event_type = 'checkout' and order_id is not null""",
    "A04": """select count(*) - count(distinct order_id) from events
              where event_type = 'package_shipped' and order_id is not null""",
    "A05": """select count(*) from events
              where event_type is not null
                and (event_type in ('checkout', 'package_shipped')) <> (order_id is not null)""",
    "A06": """select count(*) from events
              join (select session_id, user_id, count(order_id) as orders from events
                    group by all having bool_or(event_type = 'checkout')) using (session_id, user_id)
              where orders = 0""",
    "A08": """select count(*) from (select session_id from events where session_id is not null
                                    group by 1 having count(distinct user_id) > 1)""",
    "A09 checkout": """select count(*) from events where event_type = 'checkout' and order_id is not null
        and not exists (from orders where orders.order_id = events.order_id
                                          and orders.user_id = events.user_id)""",
    "A09 order": """select count(*) from orders where order_id is not null
        and not exists (from events where events.order_id = orders.order_id and event_type = 'checkout')""",
    "A10": """select count(distinct order_id) from orders
              left join (select order_id, created_at as shipped_at from events
                         where event_type = 'package_shipped') using (order_id)
              where shipped_at < created_at or delivered_at < shipped_at or delivered_at < created_at""",
    "A11": """select count(*) from (
                  select *, tracking_id is not null as tracked, delivered_at is not null as arrived,
                         exists (from events where events.order_id = orders.order_id
                                 and event_type = 'package_shipped') as sent
                  from orders)
              where case status when 'preparing' then tracked or sent or arrived
                                when 'shipped' then not sent or arrived
                                when 'delivered' then not sent or not arrived else false end""",
    "A12 cost": """select count(*) from orders
        left join (select order_id, sum(quantity * price) as items_cost
                   from order_items left join (select distinct product_id, price from products)
                        using (product_id) group by 1) using (order_id)
        where order_id is not null and order_cost is distinct from items_cost""",
    "A12 total": """select count(*) from orders left join promos using (promo_id)
        where order_total <> order_cost + shipping_cost - coalesce(discount, 0)""",
    "A13": """with checkouts as (select distinct order_id, session_id from events
                                 where event_type = 'checkout' and order_id in (select order_id from orders)),
              carts as (select distinct order_id, product_id
                        from checkouts join (select session_id, product_id from events
                                             where event_type = 'add_to_cart') using (session_id)),
              items as (select distinct order_id, product_id from order_items
                        where order_id in (select order_id from checkouts))
              select count(*) from (
                  (from carts except from items) union all (from items except from carts))""",
    "A14": """select count(*) from events
              where split_part(page_url, '/', -1) <> coalesce(order_id, product_id)::text
                 and event_type in ('page_view', 'add_to_cart') <> (order_id is not null)""",
    "A18": """select count(*) from (select session_id from events where session_id is not null group by 1
                                    having max(created_at) - min(created_at) >= interval 1 day)""",
}
RULES |= {
    f"A15 unique {table}": f"""select count(*) - count(distinct ({key})) from {table}
                               where {" is not null and ".join(key.split(", "))} is not null"""
    for table, key in KEYS.items()
}
RULES |= {
    f"A15 set {table}.{column}": f"select count(*) from {table} where {column} is null"
    for table, columns in REQUIRED.items()
    for column in columns
}
RULES |= {
    f"A15 refers {table}.{column}": f"""select count(*) from {table} where {column} is not null
        and {column} not in (select {KEYS[other]} from {other} where {KEYS[other]} is not null)"""
    for table, column, other in REFERENCES
}
for rule, column, condition in [
    *(("value", name, f"not in {values}") for name, values in VALUES.items()),
    *(("sign", name, f"< {smallest}") for name, smallest in SMALLEST.items()),
]:
    RULES[f"A15 {rule} {column}"] = f"select count(*) from {column.split('.')[0]} where {column} {condition}"


def broken_rules(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of offenders by rule, for those rules that are broken."""
    counts = {rule: scalar(connection, query) for rule, query in RULES.items()}
    return {rule: count for rule, count in counts.items() if count}


@contextmanager
def sample_database(spec: SampleSpec) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield an in-memory database with the sound sample of `spec`."""
    with connect(Path(":memory:")) as connection:
        build(connection, spec)
        yield connection


def scalar(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the single value of a query."""
    return connection.execute(query).fetchall()[0][0]


def rows_by_day(connection: duckdb.DuckDBPyConnection, table: str) -> dict[date, int]:
    """Return the number of rows of `table` by day of created_at, first day first."""
    return dict(connection.execute(f"select created_at::date, count(*) from {table} group by 1 order by 1").fetchall())
