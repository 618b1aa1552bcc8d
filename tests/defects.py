"""What each planted defect must break, in one place: rules of the tests' own in the sample, and checks in the job.

The rules are small queries that count what breaks an assumption about the sources. They are written apart from the
project's checks on purpose. Where a null is broken by itself (A15), the other rules leave it out. Not here: rules on
volume and freshness, which are figures rather than rows.
"""

from collections.abc import Iterator, Mapping
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

# Offenders by rule for one planted fault: the defect's own rule, and those that must follow.
FOLLOWS = {
    "event_of_unknown_user": {"A01": 1},
    "order_of_unknown_user": {"A02": 1, "A09 checkout": 1},
    "second_checkout": {"A03": 1},
    "second_shipment": {"A04": 1},
    "order_id_on_page_view": {"A05": 1},
    "checkout_without_order": {"A05": 1, "A06": 2},
    "session_of_two_users": {"A08": 1},
    "checkout_of_unknown_order": {"A09 checkout": 1, "A15 refers events.order_id": 1},
    "order_without_checkout": {"A09 order": 1},
    "checkout_by_another_user": {"A09 checkout": 1},
    "shipped_before_checkout": {"A10": 1},
    "delivered_before_shipped": {"A10": 1},
    "status_disagrees": {"A11": 1},
    "order_cost_wrong": {"A12 cost": 1},
    "order_total_wrong": {"A12 total": 1},
    "ordered_but_not_in_cart": {"A13": 1},
    "in_cart_but_not_ordered": {"A13": 1},
    "page_url_of_another_product": {"A14": 1},
    "duplicate_user": {"A15 unique users": 1},
    "duplicate_address": {"A15 unique addresses": 1},
    "duplicate_product": {"A15 unique products": 1},
    "duplicate_promo": {"A15 unique promos": 1},
    "duplicate_order": {"A15 unique orders": 1},
    # The sum of the items counts the repeated one.
    "duplicate_order_item": {"A15 unique order_items": 1, "A12 cost": 1},
    "duplicate_event": {"A15 unique events": 1},
    "missing_user_id": {"A15 set users.user_id": 1},
    "missing_address_id": {"A15 set addresses.address_id": 1},
    "missing_product_id": {"A15 set products.product_id": 1},
    "missing_promo_id": {"A15 set promos.promo_id": 1},
    # Without an id, a delivered order has no shipment.
    "missing_order_id": {"A15 set orders.order_id": 1, "A11": 1},
    "missing_order_item_order": {"A15 set order_items.order_id": 1},
    "missing_order_item_product": {"A15 set order_items.product_id": 1, "A13": 1},
    "missing_event_id": {"A15 set events.event_id": 1},
    "missing_session_id": {"A15 set events.session_id": 1},
    "missing_event_user": {"A15 set events.user_id": 1},
    "missing_event_type": {"A15 set events.event_type": 1},
    "missing_event_time": {"A15 set events.created_at": 1},
    "missing_order_user": {"A15 set orders.user_id": 1, "A09 checkout": 1},
    "missing_order_time": {"A15 set orders.created_at": 1},
    "unknown_user_address": {"A15 refers users.address_id": 1},
    "unknown_order_address": {"A15 refers orders.address_id": 1},
    "unknown_promo": {"A15 refers orders.promo_id": 1},
    "unknown_item_product": {"A15 refers order_items.product_id": 1, "A13": 1},
    "unknown_item_order": {"A15 refers order_items.order_id": 1},
    "unknown_event_product": {"A15 refers events.product_id": 1},
    "unknown_event_order": {"A15 refers events.order_id": 1},
    "unknown_event_type": {"A15 value events.event_type": 1},
    "unknown_order_status": {"A15 value orders.status": 1},
    "unknown_shipping_service": {"A15 value orders.shipping_service": 1},
    "unknown_promo_status": {"A15 value promos.status": 1},
    "negative_price": {"A15 sign products.price": 1},
    "negative_inventory": {"A15 sign products.inventory": 1},
    "negative_discount": {"A15 sign promos.discount": 1},
    "negative_shipping_cost": {"A15 sign orders.shipping_cost": 1},
    "non_positive_quantity": {"A15 sign order_items.quantity": 1},
    "session_of_a_day": {"A18": 1},
}

# Defects planted in one sample -> failing rows of each check that must fail, as a number or a query on the raw
# tables. Where a defect brings up a second check, a comment says why that one follows from the first.
MUTATIONS: Mapping[str, Mapping[str, int | str]] = {
    # Those that fail different checks share a run; the counts tell which defect was found by which check.
    # Both events of an order with two checkouts or shipments are shown.
    "event_of_unknown_user:2 second_checkout:3 second_shipment:4 order_without_checkout:5 checkout_by_another_user:9": {
        "event_belongs_to_a_known_user": 2,
        "order_has_at_most_one_checkout": 6,
        "order_has_at_most_one_shipment": 8,
        "order_has_its_checkout": 5,
        "checkout_belongs_to_its_order_and_user": 9,
    },
    # The orders' checkouts keep the user who made them. All events of the three sessions are shown. An order that does
    # not exist is also a reference that does not resolve.
    "order_of_unknown_user:2 session_of_two_users:3 checkout_of_unknown_order:4": {
        "order_belongs_to_a_known_user": 2,
        "session_belongs_to_one_user": """
            select count(*) from raw.events where session_id in
            (select session_id from raw.events group by session_id having count(distinct user_id) > 1)
        """,
        "checkout_belongs_to_its_order_and_user": 6,
        "events_order_exists": 4,
    },
    # Each session has two events, one of them a checkout that should carry an order_id. These are looked at downstream
    # of the checks above, which would stop them.
    "checkout_without_order:3 shipped_before_checkout:4 delivered_before_shipped:3": {
        "converted_session_has_order_on_every_event": 6,
        "order_id_is_on_checkouts_and_shipments_only": 3,
        "order_is_shipped_after_checkout_and_delivered_after_shipping": 7,
    },
    # Warnings stop nothing, so that several fit in one run; the counts tell which defect was found by which check.
    "order_id_on_page_view:2 status_disagrees:3 order_cost_wrong:4 order_total_wrong:5 ordered_but_not_in_cart:6 "
    "page_url_of_another_product:7 session_of_a_day:8 unreadable_row:4 short_row:3 long_row:2 unknown_event_type:2 "
    "unknown_order_status:2 unknown_shipping_service:2 unknown_promo_status negative_price negative_inventory:2 "
    "negative_discount negative_shipping_cost:2 non_positive_quantity:2 in_cart_but_not_ordered:3 extra_column": {
        "order_id_is_on_checkouts_and_shipments_only": 2,
        "order_status_agrees_with_its_facts": 3,
        "order_cost_is_the_sum_of_its_items": 4,
        "order_total_is_cost_plus_shipping_minus_discount": 5,
        # Six of them, and three.
        "ordered_products_are_what_was_put_in_the_cart": 9,
        "events_columns_match_the_contract": 1,
        "events_event_type_is_known": 2,
        "orders_status_is_known": 2,
        "orders_shipping_service_is_known": 2,
        "promos_status_is_known": 1,
        "products_price_is_not_negative": 1,
        "products_inventory_is_not_negative": 2,
        "promos_discount_is_not_negative": 1,
        "orders_shipping_cost_is_not_negative": 2,
        "order_items_quantity_is_positive": 2,
        "page_url_names_its_product_or_order": 7,
        "session_lasts_less_than_a_day": 8,
        "events_rows_were_all_accepted": 9,
    },
    # Both copies of each row are shown. A product or item listed twice counts twice in its orders' costs.
    "duplicate_user duplicate_address duplicate_product duplicate_promo duplicate_order:2 duplicate_order_item:2 "
    "duplicate_event:3": {
        "users_key_is_unique_and_set": 2,
        "addresses_key_is_unique_and_set": 2,
        "products_key_is_unique_and_set": 2,
        "promos_key_is_unique_and_set": 2,
        "orders_key_is_unique_and_set": 4,
        "order_items_key_is_unique_and_set": 4,
        "events_key_is_unique_and_set": 6,
        "order_cost_is_the_sum_of_its_items": """
            select count(*) from raw.orders as orders where order_cost <> (
                select coalesce(sum(quantity * price), 0) from raw.order_items
                join raw.products using (product_id) where order_items.order_id = orders.order_id
            )
        """,
    },
    # An order without its id has neither items nor shipment; one without its user is nobody's, and its
    # checkout somebody else's; an item without its product was in no cart.
    "missing_user_id missing_address_id missing_product_id missing_promo_id missing_order_id "
    "missing_order_item_order missing_order_item_product missing_event_id missing_session_id missing_event_user "
    "missing_event_type missing_event_time missing_order_user missing_order_time": {
        "users_key_is_unique_and_set": 1,
        "addresses_key_is_unique_and_set": 1,
        "products_key_is_unique_and_set": 1,
        "promos_key_is_unique_and_set": 1,
        "orders_key_is_unique_and_set": 1,
        "order_items_key_is_unique_and_set": 2,
        "events_key_is_unique_and_set": 1,
        "events_session_is_set": 1,
        "events_created_at_is_set": 1,
        "events_event_type_is_known": 1,
        "orders_created_at_is_set": 1,
        "event_belongs_to_a_known_user": 1,
        "order_belongs_to_a_known_user": 1,
        "checkout_belongs_to_its_order_and_user": 1,
        "order_status_agrees_with_its_facts": 1,
        "order_cost_is_the_sum_of_its_items": 1,
        "ordered_products_are_what_was_put_in_the_cart": 1,
    },
    # An unknown product among an order's items was in no cart.
    "unknown_user_address:2 unknown_order_address:2 unknown_promo:2 unknown_item_product:2 unknown_item_order:2 "
    "unknown_event_product:2 unknown_event_order:2": {
        "users_address_exists": 2,
        "orders_address_exists": 2,
        "orders_promo_exists": 2,
        "order_items_product_exists": 2,
        "order_items_order_exists": 2,
        "events_product_exists": 2,
        "events_order_exists": 2,
        "ordered_products_are_what_was_put_in_the_cart": 2,
    },
    # A user who makes most of the sessions orders in none of them.
    "stale heavy_user": {
        "events_are_fresh": 1,
        "orders_are_fresh": 1,
        "no_user_makes_most_of_the_sessions": 1,
        "conversion_rate_moved_little": 1,
    },
    "volume_drop": {"events_of_the_last_day_are_as_usual": 1, "orders_of_the_last_day_are_as_usual": 1},
    # More visits without orders convert less than those of the run before.
    "volume_spike": {"events_of_the_last_day_are_as_usual": 1, "conversion_rate_moved_little": 1},
    "figures_jump": {"repeat_rate_moved_little": 1, "conversion_rate_moved_little": 1},
}


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
