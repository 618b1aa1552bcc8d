"""What is kept and shown of rows that break an assumption: counts, shares and a sample fit to be seen.

Reads the warehouse, imports no Dagster. Personal data never leaves the warehouse: samples hold only the
columns listed here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

SAMPLE_ROWS = 5

# Ids, times, amounts and enumerations. Names, mail, telephone, streets and free text are not among them.
SHAREABLE_COLUMNS = frozenset(
    [
        "event_id",
        "session_id",
        "user_id",
        "order_id",
        "product_id",
        "promo_id",
        "address_id",
        "tracking_id",
        "event_type",
        "status",
        "created_at",
        "updated_at",
        "order_date",
        "ship_date",
        "order_delivered_date",
        "delivered_at",
        "estimated_delivery_at",
        "start_time",
        "stop_time",
        "started_at",
        "ended_at",
        "number_of_events",
        "number_of_sessions",
        "all_sessions",
        "order_cost",
        "shipping_cost",
        "order_total",
        "items_cost",
        "price",
        "inventory",
        "discount",
        "quantity",
        "shipping_service",
        "shipped_order_id",
        "first_orders",
        "last_orders",
        "difference",
        "total",
        "built",
        "expected",
        "day",
        "step",
        "indicator",
        "source_table",
        "file",
        "line",
        "column_name",
        "reason",
    ]
)


@dataclass(frozen=True)
class Table:
    """A few rows to show: column names, and one tuple of texts a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_records(self) -> list[dict[str, str]]:
        """One mapping of column to text for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def sample(connection: duckdb.DuckDBPyConnection, relation: str, where: str = "true") -> Table:
    """Up to five rows of a relation (schema.name), in a stable order, of its shareable columns only."""
    names = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description]
    shown = [name for name in names if name in SHAREABLE_COLUMNS]
    if not shown:
        return Table((), ())
    rows = connection.execute(
        f"select {', '.join(shown)} from {relation} where {where} order by all limit {SAMPLE_ROWS}"
    ).fetchall()
    return Table(tuple(shown), tuple(tuple(_text(value) for value in row) for row in rows))


def finding(connection: duckdb.DuckDBPyConnection, relation: str) -> str:
    """What failing rows say themselves in a column `finding`, of up to three; empty where they have none."""
    names = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description]
    if "finding" not in names:
        return ""
    return " ".join(
        str(said) for (said,) in connection.execute(f"select finding from {relation} order by 1 limit 3").fetchall()
    )


def count(connection: duckdb.DuckDBPyConnection, relation: str, where: str = "true") -> int:
    """The rows of a relation (schema.name)."""
    return int(scalar(connection, f"select count(*) from {relation} where {where}"))


def scalar(connection: duckdb.DuckDBPyConnection, query: str, parameters: Sequence[object] = ()) -> Any:
    """The one value of a query's one row."""
    row = connection.execute(query, list(parameters)).fetchone()
    return row[0] if row else None


def read_warehouse(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for reading only. Use as a context manager: while it is open nobody can write."""
    return duckdb.connect(str(path), read_only=True)


def _text(value: object) -> str:
    return "" if value is None else str(value)
