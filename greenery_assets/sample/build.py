"""Draws a whole sample into a database, block by block, so that memory does not grow with its size."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pyarrow as pa

from greenery_assets.sample.catalogue import Catalogue, draw_catalogue
from greenery_assets.sample.columns import Mask, label_column, random_uuids, timestamp_column, uuid_column
from greenery_assets.sample.database import insert
from greenery_assets.sample.orders import Orders, draw_orders
from greenery_assets.sample.people import People, draw_people
from greenery_assets.sample.plan import DAY_SECONDS, DayPlan, draw_plan
from greenery_assets.sample.spec import SampleSpec
from greenery_assets.sample.visits import CHECKOUT, EVENT_TYPES, PACKAGE_SHIPPED, Visits, draw_visits
from greenery_assets.warehouse import DuckDB

# Some 300,000 events: enough to make the cost of a block's fixed work vanish, and below 300 MB.
BLOCK_SESSIONS = 50_000
# Small blocks are inserted together: an insertion costs the same for one row as for thousands.
INSERTED_EVENTS = 100_000


def build(connection: DuckDB, spec: SampleSpec) -> None:
    """Fill the seven empty tables of `connection` with the sample, without defects."""
    rng = np.random.default_rng(spec.seed)
    plan = draw_plan(rng, spec.order_count, spec.days)
    first_second = _seconds(spec.until - timedelta(days=spec.days - 1))
    cut_off = _seconds(spec.until) + DAY_SECONDS - 1
    catalogue = draw_catalogue(rng)
    people = draw_people(rng, spec.seed, plan.users, first_second, cut_off)
    insert(connection, "products", catalogue.products_table())
    insert(connection, "promos", catalogue.promos_table())
    insert(connection, "users", people.users_table)
    insert(connection, "addresses", people.addresses_table)
    pending: list[tuple[pa.Table, pa.Table, pa.Table]] = []
    pending_events = 0
    for day, day_plan in enumerate(plan.days):
        day_start = first_second + day * DAY_SECONDS
        for block in _blocks(day_plan):
            visits = draw_visits(rng, block, catalogue, day_start, last_day=day == spec.days - 1)
            orders = draw_orders(rng, visits, people, catalogue, cut_off)
            events = _events(rng, visits, orders, people, catalogue)
            pending.append((orders.orders_table, orders.items_table, events))
            pending_events += len(events)
            if pending_events >= INSERTED_EVENTS:
                _insert_pending(connection, pending)
                pending, pending_events = [], 0
    if pending:
        _insert_pending(connection, pending)


def _insert_pending(connection: DuckDB, pending: list[tuple[pa.Table, pa.Table, pa.Table]]) -> None:
    for table, blocks in zip(("orders", "order_items", "events"), zip(*pending, strict=True), strict=True):
        insert(connection, table, pa.concat_tables(blocks))


def _seconds(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


def _blocks(plan: DayPlan) -> Iterator[DayPlan]:
    sessions = len(plan.buying) + len(plan.browsing)
    parts = -(-sessions // BLOCK_SESSIONS)
    if parts:
        for buying, browsing in zip(
            np.array_split(plan.buying, parts), np.array_split(plan.browsing, parts), strict=True
        ):
            yield DayPlan(buying, browsing)


def _events(rng: np.random.Generator, visits: Visits, orders: Orders, people: People, catalogue: Catalogue) -> pa.Table:
    browsing, bought = len(visits.session), len(orders.ids)
    parcels = np.flatnonzero(orders.is_shipped)
    # The order of a browsing event and the product of the others are null: any row number will do.
    order = np.concatenate([np.zeros(browsing, dtype=np.int64), np.arange(bought), parcels])
    session = np.concatenate([visits.session, np.arange(bought), parcels])
    count = len(session)
    is_browsing: Mask = np.arange(count) < browsing
    product = np.zeros(count, dtype=np.int64)
    product[:browsing] = visits.product
    event_type = np.concatenate([visits.event_type, np.full(bought, CHECKOUT), np.full(len(parcels), PACKAGE_SHIPPED)])
    created = np.concatenate([visits.created, orders.checkout, orders.shipped[parcels]])
    session_ids = random_uuids(rng, len(visits.session_users))
    order_ids = orders.ids if bought else random_uuids(rng, 1)
    return pa.table(
        {
            "event_id": uuid_column(random_uuids(rng, count)),
            "session_id": uuid_column(session_ids[session]),
            "user_id": uuid_column(people.user_ids[visits.session_users[session]]),
            "created_at": timestamp_column(created),
            "event_type": label_column(event_type, EVENT_TYPES),
            "order_id": uuid_column(order_ids[order], ~is_browsing),
            "product_id": uuid_column(catalogue.product_ids[product], is_browsing),
        }
    )
