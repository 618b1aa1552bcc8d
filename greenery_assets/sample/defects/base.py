"""What a defect is, and how most of them work: choose rows of the finished sample, then change them.

The defects themselves are in the other modules of this package, by what they break.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pyarrow as pa

from greenery_assets.sample.columns import random_uuids, uuid_column
from greenery_assets.sample.errors import SampleError
from greenery_assets.warehouse import DuckDB

Apply = Callable[[DuckDB, int, np.random.Generator], None]

UNBOUNDED = 10**9


@dataclass(frozen=True)
class Defect:
    """One way in which a source can break one assumption.

    `apply(connection, count, rng)` changes the sample's database; it raises SampleError when the
    sample has too few rows. `counted` says what COUNT counts, and is None for defects without one.
    `csv_only` marks faults that exist only in text files.
    """

    name: str
    assumption: str
    description: str
    apply: Apply
    counted: str | None = "rows"
    default_count: int = 1
    most: int = UNBOUNDED
    csv_only: bool = False


def apply_defect(connection: DuckDB, defect: Defect, count: int, seed: int) -> None:
    """Plant `defect` in the sample; the same seed chooses the same rows, other defects choose others."""
    rng = np.random.default_rng([seed, crc32(defect.name.encode())])
    try:
        defect.apply(connection, count, rng)
    except SampleError as error:
        raise SampleError(f"defect {defect.name}: {error}") from error


def in_rows(
    name: str, assumption: str, description: str, eligible: str, *changes: str, csv_only: bool = False
) -> Defect:
    """Return the defect that chooses rows among those of the query `eligible` and runs the statements `changes`.

    `eligible` must have a total order, by time where there is one. The statements see the chosen
    rows as table `victims`: the query's columns, `n` from 1 to COUNT, and three unused ids `id_1`,
    `id_2`, `id_3`.
    """

    def apply(connection: DuckDB, count: int, rng: np.random.Generator) -> None:
        _choose_victims(connection, eligible, count, rng)
        for change in changes:
            connection.execute(change)

    return Defect(name, assumption, description, apply, csv_only=csv_only)


def _choose_victims(connection: DuckDB, eligible: str, count: int, rng: np.random.Generator) -> None:
    """Create table `victims` of `count` rows of the query `eligible`, evenly spread over its order."""
    # Numbered here, because rowid finds no row that an open transaction has added.
    connection.execute(
        f"""create or replace temp table eligible as
            select *, row_number() over () - 1 as eligible_row from ({eligible})"""
    )
    available = len(connection.table("eligible"))
    if count > available:
        raise SampleError(f"{count} asked for, but this sample allows 0 to {available}")
    # Off the ends of each slice: a single victim is never among the oldest or the newest.
    ranks = ((np.arange(count) + rng.uniform(0.25, 0.75)) * available / count).astype(np.int64)
    chosen = {"eligible_row": ranks, "n": np.arange(1, count + 1)}
    ids = {f"id_{i}": uuid_column(random_uuids(rng, count)) for i in (1, 2, 3)}
    connection.register("chosen", pa.table(chosen | ids))
    connection.execute(
        """create or replace temp table victims as
           select * exclude (eligible_row) from chosen join eligible using (eligible_row)"""
    )
    connection.unregister("chosen")


def set_in(table: str, key: str, assignments: str) -> str:
    """Return the statement that changes the chosen rows of a table, found by the column `key`."""
    return f"update {table} set {assignments} from victims where {table}.{key} = victims.{key}"


def new_event(
    *,
    event_id: str = "id_1",
    session_id: str = "id_2",
    user_id: str = "user_id",
    page_url: str = "product_page(product_id)",
    created_at: str = "created_at",
    event_type: str = "'page_view'",
    order_id: str = "null",
    product_id: str = "product_id",
) -> str:
    """Return the statement that adds one event for each victim, by default a page view of a new session."""
    return f"""insert into events by name
        select {event_id} as event_id, {session_id} as session_id, {user_id} as user_id,
               {page_url} as page_url, {created_at} as created_at, {event_type} as event_type,
               {order_id} as order_id, {product_id} as product_id
        from victims"""


# Sound page views whose time, user and product a new session can borrow; late ones left out, so
# that what is added stays inside the sample's time range.
HOSTS = """
    from events semi join users using (user_id) semi join products using (product_id)
    where event_type = 'page_view' and order_id is null and session_id is not null
      and created_at < (select max(created_at) from events) - interval 2 hours
    order by created_at, event_id"""

# Each user's other known user, each product's other known product.
OTHER_USERS = """other_users as (
    select user_id, coalesce(lead(user_id) over ring, first_value(user_id) over ring) as other_user_id
    from (select distinct user_id from users where user_id is not null)
    window ring as (order by user_id))"""
OTHER_PRODUCTS = """other_products as (
    select product_id,
           coalesce(lead(product_id) over ring, first_value(product_id) over ring) as other_product_id
    from (select distinct product_id from products where product_id is not null)
    window ring as (order by product_id))"""
