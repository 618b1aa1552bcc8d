"""What is shown of rows, of those that break an assumption and of each table: counts, shares, a few fit to be seen.

Reads the warehouse, imports no Dagster. Personal data never leaves the warehouse: samples and previews hold
only the columns listed here.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from greenery_assets.landing import open_for_reading

SAMPLE_ROWS = 5
PREVIEW_ROWS = 5
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
# The same with too few digits for a telephone number: where only a pattern can be applied, in dbt.
PREVIEW_VALUE = r"(?!.{41})(?:[A-Za-z_.:+/-]*[0-9]){0,6}[A-Za-z_.:+/-]*"

# Ids, times, amounts, figures, flags and enumerations. Names, mail, telephone, addresses, page addresses and free text
# are not among them.
SHAREABLE_COLUMNS = frozenset(
    [
        "event_id", "session_id", "user_id", "order_id", "product_id", "promo_id", "address_id", "tracking_id",
        "is_shipped",
        "event_type", "status", "shipping_service", "step", "step_number", "indicator", "indicator_number",
        "is_first_order", "is_last_order", "is_viewed", "is_added", "is_bought",
        "day", "created_at", "updated_at", "order_date", "first_order_date", "last_order_date", "second_order_date",
        "ship_date", "order_delivered_date", "delivered_at", "estimated_delivery_at",
        "first_order_estimated_delivery_at", "first_order_delivered_date",
        "start_time", "stop_time", "started_at", "ended_at", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to",
        "order_cost", "shipping_cost", "order_total", "items_cost", "price", "discount", "amount", "total_spent",
        "avg_spent_per_order", "revenue",
        "inventory", "quantity", "number_of_items",
        "number_of_events", "number_of_sessions", "number_of_orders", "number_of_orders_delivered",
        "number_of_orders_late",
        "number_of_orders_undelivered", "events", "orders", "first_orders", "last_orders", "returning_orders",
        "browsing_seconds", "browsing_seconds_to_first_order", "sessions_under_a_minute",
        "sessions_without_checkout_to_first_order",
        "avg_prep_seconds", "avg_ship_seconds", "avg_duration_seconds",
        "users_purchased", "users_repeat", "repeat_rate", "users_with", "users_without", "users_not_judged",
        "repeat_users_with", "repeat_users_without", "repeat_share_with", "repeat_share_without",
        "difference", "difference_low", "difference_high",
        "sessions", "all_sessions", "previous_sessions", "drop_off", "sessions_viewed", "sessions_bought",
        "sessions_with_checkout",
        "conversion_rate", "sessions_without_top_user", "sessions_with_checkout_without_top_user",
        "conversion_rate_without_top_user",
        "total", "built", "expected", "source_table", "file", "line", "column_name", "reason",
    ]
)  # fmt: skip
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
    shown = sorted(_shareable_columns(connection, relation), key=lambda name: name not in about)
    return _shown(connection, shown, f"from {relation} where {where} order by all limit {SAMPLE_ROWS}")


def preview(connection: duckdb.DuckDBPyConnection, relation: str) -> Table:
    """Up to five rows of a relation (schema.name), whichever are read first, as `sample` shows them.

    Sorting would read all of a table that may be large. dbt does the same with its models while it has
    the warehouse (macros/log_built_relation.sql).
    """
    return _shown(connection, _shareable_columns(connection, relation), f"from {relation} limit {PREVIEW_ROWS}")


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
    """Open the warehouse for reading only, as `landing.open_for_reading` does."""
    return open_for_reading(path)


def _shareable_columns(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    names = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description]
    return [name for name in names if name in SHAREABLE_COLUMNS]


def _shown(connection: duckdb.DuckDBPyConnection, columns: Sequence[str], rows: str) -> Table:
    if not columns:
        return Table((), ())
    found = connection.execute(f"select {', '.join(columns)} {rows}").fetchall()
    return Table(tuple(columns), tuple(tuple(map(_shareable, columns, row)) for row in found))


def _shareable(column: str, value: object) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    return masked(value) if column in OWN_TEXTS or PLAIN_VALUE.fullmatch(value) else "[text]"
