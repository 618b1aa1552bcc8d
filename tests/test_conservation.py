"""Whatever the source holds, nothing is lost or doubled: the models' own SQL on random sources.

The expected values come from a plain Python reading of design page models.md, row by row.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenery_assets.dbt import project
from greenery_assets.environment import HANDED_TO_DBT
from greenery_assets.sample.database import contract_columns
from tests.job import ROOT, Home

START = datetime(2026, 1, 1, 23, 0)
MODELS = {
    "dim_events": "core",
    "dim_orders": "core",
    "int_page_views": "product",
    "int_user_orders": "marketing",
    "fact_user_orders": "marketing",
}


def uuid(kind: int, number: int) -> UUID:
    return UUID(int=(kind << 64) + number)


def ids(kind: int, most: int) -> st.SearchStrategy[UUID | None]:
    """Few ids, so that they meet; sometimes none."""
    return st.one_of(st.none(), st.integers(0, most).map(lambda n: uuid(kind, n)))


@dataclass(frozen=True)
class Event:
    """A row of events, as far as the models read it."""

    event_id: UUID
    session_id: UUID | None
    user_id: UUID | None
    created_at: datetime
    event_type: str | None
    order_id: UUID | None


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    rows = draw(
        st.lists(
            st.tuples(
                ids(1, 2),
                ids(2, 1),
                st.integers(0, 6),
                st.sampled_from(["page_view", "add_to_cart", "checkout", "package_shipped", None]),
                ids(3, 3),
            ),
            max_size=25,
        )
    )
    return [
        Event(uuid(9, n), session, user, START + timedelta(minutes=20 * minutes), kind, order)
        for n, (session, user, minutes, kind, order) in enumerate(rows)
    ]


orders = st.lists(
    st.tuples(ids(2, 2), st.integers(0, 6), st.none() | st.integers(-10_000, 10_000), st.booleans()),
    max_size=12,
)


@pytest.fixture(scope="module")
def compiled(shared_dir: Path, sample_dir: Path) -> Mapping[str, str]:
    """The SQL of each model as dbt compiles it."""
    folder = shared_dir / "compiled"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            home = Home.new(folder)
            subprocess.run(
                [project.DBT_COMMAND, "compile", "--quiet", "--select", *MODELS, "--log-path", str(folder)],
                cwd=ROOT / "dbt_project",
                # Without what a run in this process has handed to its dbt.
                env={
                    **{name: value for name, value in os.environ.items() if name not in HANDED_TO_DBT},
                    **home.environment(sample_dir),
                    "DBT_TARGET_PATH": str(folder / "target"),
                },
                check=True,
            )
    marts = folder / "target" / "compiled" / "greenery" / "models" / "marts"
    return {name: (marts / schema / f"{name}.sql").read_text() for name, schema in MODELS.items()}


@pytest.fixture(scope="module")
def warehouse(compiled: Mapping[str, str]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as greenery; use greenery")
        connection.execute("create schema staging; create schema core; create schema product; create schema marketing")
        for table in ("events", "orders"):
            columns = ", ".join(f"{name} {data_type}" for name, data_type in contract_columns()[table].items())
            connection.execute(f"create table staging.stg_{table} ({columns})")
        for name, schema in MODELS.items():
            connection.execute(f"create view {schema}.{name} as {compiled[name]}")
        yield connection


def load(warehouse: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, object]]) -> None:
    """Replace the rows of a staging table; a column that is not given is null."""
    warehouse.execute(f"delete from staging.{table}")
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        values = [list(row.values()) for row in rows]
        warehouse.executemany(f"insert into staging.{table} ({', '.join(rows[0])}) values ({marks})", values)


def expected_stop(event: Event, all_events: list[Event]) -> datetime | None:
    """The next strictly later moment of the same user and session."""
    return min(
        (e.created_at for e in all_events if together(e, event) and e.created_at > event.created_at),
        default=None,
    )


def possible_orders(event: Event, all_events: list[Event]) -> UUID | None:
    """Its own order, else the next checkout's at or after it, else the last checkout's before it."""
    if event.order_id is not None:
        return event.order_id
    if event.user_id is None or event.session_id is None:
        return None
    checkouts = sorted(
        (e.created_at, e.order_id)
        for e in all_events
        if together(e, event) and e.event_type == "checkout" and e.order_id is not None
    )
    coming = [order for moment, order in checkouts if moment >= event.created_at]
    return coming[0] if coming else checkouts[-1][1] if checkouts else None


def together(one: Event, other: Event) -> bool:
    return (one.user_id, one.session_id) == (other.user_id, other.session_id)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=events())
def test_page_views_are_the_events_with_their_order_and_stop_time(
    warehouse: duckdb.DuckDBPyConnection, rows: list[Event]
) -> None:
    load(warehouse, "stg_events", [asdict(event) for event in rows])
    found = warehouse.execute(
        "select event_id, start_time, stop_time, order_id from product.int_page_views order by event_id"
    ).fetchall()
    assert found == [(e.event_id, e.created_at, expected_stop(e, rows), possible_orders(e, rows)) for e in rows]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(placed=orders, rows=events())
def test_money_and_orders_are_the_same_by_order_and_by_user(
    warehouse: duckdb.DuckDBPyConnection, placed: list[tuple[UUID | None, int, int | None, bool]], rows: list[Event]
) -> None:
    load(warehouse, "stg_events", [asdict(event) for event in rows])
    table: list[dict[str, object]] = []
    for number, (user, hours, cents, delivered) in enumerate(placed):
        ordered_at = START + timedelta(hours=hours)
        total = None if cents is None else Decimal(cents) / 100
        arrived = ordered_at + timedelta(days=2) if delivered else None
        table.append(
            {
                "order_id": uuid(3, number),
                "user_id": user,
                "created_at": ordered_at,
                "order_cost": total,
                "shipping_cost": 0,
                "order_total": total,
                "delivered_at": arrived,
                "status": "shipped",
            }
        )
    load(warehouse, "stg_orders", table)
    found = warehouse.execute(
        "select coalesce(sum(total_spent), 0), coalesce(sum(number_of_orders), 0), "
        "coalesce(sum(number_of_orders_delivered), 0), count(*) from marketing.fact_user_orders"
    ).fetchone()
    assert found == (
        sum((Decimal(cents) / 100 for _, _, cents, _ in placed if cents is not None), Decimal(0)),
        len(placed),
        sum(delivered for *_, delivered in placed),
        len({user for user, *_ in placed}),
    )
    means = warehouse.execute("select user_id, avg_spent_per_order from marketing.fact_user_orders").fetchall()
    assert dict(means) == {user: mean_spent(user, placed) for user, *_ in placed}


def mean_spent(user: UUID | None, placed: list[tuple[UUID | None, int, int | None, bool]]) -> Decimal | None:
    """The mean of a user's known order totals in whole cents, half a cent rounded away from zero."""
    cents = [Decimal(cents) for owner, _, cents, _ in placed if owner == user and cents is not None]
    return (sum(cents, Decimal(0)) / len(cents)).quantize(Decimal(1), ROUND_HALF_UP) / 100 if cents else None
