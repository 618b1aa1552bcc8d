"""What is kept and shown of rows that break an assumption: counts, shares and a sample fit to be seen.

Reads the warehouse, imports no Dagster. Personal data never leaves the warehouse: samples hold only the
columns listed here.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

SAMPLE_ROWS = 5
# The metadata of a dg.Failure with its reason in words that quote no row.
SHAREABLE_REASON = "shareable_reason"
# Each begins where a run of its letters does: otherwise a long text without an end takes for ever.
MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+")
# What looks like no telephone number but holds as many digits comes first, and is left as it is.
TELEPHONE = re.compile(
    r"""
    (?<![\w.,-])(?:
        [0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}                                       # a UUID
      | [0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?![0-9-])  # a date, a time
      | [0-9]{2}([./-])[0-9]{2}\1[0-9]{4}(?![0-9./-])                                              # a date
      | [0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?![0-9,])                                           # an amount
      | [0-9]+[.,][0-9]+(?![0-9.,])                                                               # an amount
    )
    |
    (?<![\w-])(?P<telephone>
        (?:
            \+\(?[0-9](?:[ ()./-]{0,3}[0-9]){6,14}                         # +49 30 1234567
          | \(?0(?=[0-9]{0,5}[ ()./-])\)?(?:[ ()./-]{0,2}[0-9]){6,14}      # 07911 123456, (0)30 1234567
          | (?:[0-9]{1,3}[ .-])?\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-][0-9]{4}  # 555-867-5309
          | \(?[0-9]{3}\)?[ .-][0-9]{7}                                    # 555 1234567
          | [0-9]{10,15}                                                   # 5558675309
        )
        (?:[ ]?(?:x|ext\.?)[ ]?[0-9]{1,6})?
    )(?![\w-])
    """,
    re.VERBOSE,
)
# An id or an enumeration's value, as opposed to what people write.
PLAIN_VALUE = re.compile(r"[A-Za-z0-9_.:+/-]{0,40}")

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
# Text in these is this project's own, or names a file or a table.
OWN_TEXTS = frozenset(["reason", "file", "column_name", "source_table", "step", "indicator"])


@dataclass(frozen=True)
class Table:
    """A few rows to show: column names, and one tuple of texts a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_records(self) -> list[dict[str, str]]:
        """One mapping of column to text for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def masked(text: str) -> str:
    """The text without mail addresses and telephone numbers, which a badly exported column may hold."""
    return TELEPHONE.sub(lambda found: "[telephone]" if found["telephone"] else found[0], MAIL.sub("[mail]", text))


def sample(
    connection: duckdb.DuckDBPyConnection, relation: str, where: str = "true", about: Collection[str] = ()
) -> Table:
    """Up to five rows of a relation (schema.name), in a stable order, of its shareable columns only.

    Text that is no id and of no enumeration is left out: a shifted row may hold a name in any column.

    The columns that it is `about` come first: where there is little room, they are what must be seen.
    """
    names = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description]
    shown = sorted((name for name in names if name in SHAREABLE_COLUMNS), key=lambda name: name not in about)
    if not shown:
        return Table((), ())
    rows = connection.execute(
        f"select {', '.join(shown)} from {relation} where {where} order by all limit {SAMPLE_ROWS}"
    ).fetchall()
    return Table(tuple(shown), tuple(tuple(map(_shareable, shown, row)) for row in rows))


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


def _shareable(column: str, value: object) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    return masked(value) if column in OWN_TEXTS or PLAIN_VALUE.fullmatch(value) else "[text]"
