"""What is shown of rows, of those that break an assumption and of each table: counts, shares, a few fit to be seen.

Reads the warehouse, imports no Dagster. Personal data never leaves the warehouse, whatever column it got into: samples
and previews hold only the columns listed here, and of text in them only what a contract knows.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from string import Formatter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from greenery_assets.warehouse import Connection

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
# Column -> the texts that a contract knows it to hold. All other text is somebody's, whatever it looks like.
Texts = Mapping[str, Collection[str]]
MASKED = "[text]"
SHOWN_TYPES = (bool, int, float, Decimal, UUID, date, time, timedelta)
# The same as the databases name them, up to what is in brackets: dbt knows no other (macros/log_built_relation.sql).
SHOWN_DATA_TYPES = (
    "uuid", "boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "double", "double precision", "float",
    "real", "decimal", "numeric", "date", "time", "timestamp", "timestamp with time zone",
    "timestamp without time zone", "interval",
)  # fmt: skip
FILE_ENDINGS = frozenset(["csv", "parquet", "snappy", "gz", "zip", "zst", "bz2", "txt", "tsv", "json", "xls", "xlsx"])
# What exports put into the names of a table's files: a period, a day with a time or a number, a number, Spark's parts.
DATED = re.compile(
    r"""
    (?:19|20)[0-9]{2} (?:-?(?:0[1-9]|1[0-2]))?
  | (?:19|20)[0-9]{2} (?:-?(?:0[1-9]|1[0-2])) (?:-?(?:0[1-9]|[12][0-9]|3[01]))
    (?:[T_-](?:[01][0-9]|2[0-3])[0-5][0-9])? (?:[_-](?:part-)?[0-9]{1,5})?
  | (?:part-)?[0-9]{1,5}
  | part-[0-9]{5}-[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?:-c[0-9]{3})?
    """,
    re.VERBOSE,
)

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
        "purchases", "least_orders", "users", "share_of_users", "first_order_month", "hour_of_day",
        "products_viewed", "products_not_bought", "share_not_bought",
        "out_of_stock_since", "out_of_stock_until", "is_out_of_stock",
        "total", "built", "expected", "share_in_percent", "off_by",
        "source_table", "file", "line", "column_name", "reason",
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A few rows to show: column names, and one tuple of texts a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def as_records(self) -> list[dict[str, str]]:
        """One mapping of column to text for each row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def masked(text: str) -> str:
    """The text with mail addresses and telephone numbers masked: a wrong export may put them into any column."""
    return TELEPHONE.sub(lambda found: "[telephone]" if found["telephone"] else found[0], MAIL.sub("[mail]", text))


def known_texts(manifest: Mapping[str, Any]) -> Texts:
    """The texts that columns may hold, by column, as dbt's manifest of the project has them.

    Enumerations are those that a test `is_one_of` names, or a column's or a test's own `meta` under `values`. No
    rule can distinguish a promotion's code from a name: promo_id is not among them.
    """
    known: dict[str, set[str]] = defaultdict(set)
    nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
    for node in nodes:
        test = node.get("test_metadata") or {"name": "", "kwargs": {}}
        if test["name"] == "is_one_of":
            known[test["kwargs"]["column"]].update(test["kwargs"]["values"])
        if test["name"] == "adds_up_to":
            known["total"].update(test["kwargs"]["totals"])
        for column, values in node["config"].get("meta", {}).get("values", {}).items():
            known[column].update(values)
        for column in node["columns"].values():
            known[column["name"]].update(column["config"].get("meta", {}).get("values", ()))
    for source in manifest["sources"].values():
        known["source_table"].add(source["name"])
        known["column_name"].update(source["columns"])
    return {column: frozenset(values) for column, values in known.items() if values}


def sample(
    connection: Connection,
    relation: str,
    texts: Texts,
    where: str = "true",
    *,
    about: Collection[str] = (),
    own: Collection[str] = (),
) -> Table:
    """Up to five rows of a relation (schema.name), in a stable order, of its shareable columns only.

    Text that the contract does not know is masked: a shifted row may hold a name in any column. The columns in `about`
    come first, as a narrow place shows only a few. Text in `own` columns is written by this project and holds nothing
    from a source.
    """
    shown = sorted(_shareable_columns(connection, relation), key=lambda name: name not in about)
    return _shown(connection, shown, f"from {relation} where {where}{_in_order(shown)} limit {SAMPLE_ROWS}", texts, own)


def preview(connection: Connection, relation: str, texts: Texts) -> Table:
    """Up to five rows of a relation (schema.name), whichever are read first, as `sample` shows them.

    Sorting would read all of a table that may be large. dbt does the same with its models while it has
    the warehouse (macros/log_built_relation.sql).
    """
    return _shown(connection, _shareable_columns(connection, relation), f"from {relation} limit {PREVIEW_ROWS}", texts)


def finding(connection: Connection, relation: str, template: str, texts: Texts, rows_checked: int | None = None) -> str:
    """The finding of a check, made from a sentence with names in braces.

    `{n}` is the number of failing rows, `{of}` of how many, `{n.order_id}` that of the orders they are of, and
    `{sum.off_by}` a sum over all of them; `{n:row has|rows have}` are the words for one and for more. Other names are
    columns, each as `sample` shows it: then there is a sentence for each of the first three rows.
    """
    names = dict.fromkeys(name for _, name, _, _ in Formatter().parse(template) if name)
    n, total = _Count(count(connection, relation)), SimpleNamespace()
    for kind, _, column in (name.partition(".") for name in names if "." in name):
        what = f"count(distinct {column})" if kind == "n" else f"coalesce(sum({column}), 0)"
        value = scalar(connection, f"select {what} from {relation}")
        setattr(n if kind == "n" else total, column, _Count(value) if kind == "n" else value)
    shown = [name for name in names if name not in {"n", "of"} and "." not in name]
    rows = (
        _shown(connection, shown, f"from {relation}{_in_order(shown)} limit 3", texts).as_records() if shown else [{}]
    )
    of = _Count(rows_checked or n)
    return " ".join(template.format(n=n, of=of, sum=total, **row) for row in rows)


class _Count(int):
    """A number of rows in a sentence."""

    def __format__(self, words: str) -> str:
        one, _, more = words.partition("|")
        return (one if self == 1 else more) if words else f"{int(self):,}"


def shown_file(name: str, tables: Collection[str], instead: str = "[name]") -> str:
    """The name of a source file, relative to its folder, as far as the contract knows such names.

    Those are `<table>.csv`, and in the folder of a table what is made of that table's name, a date and a number.
    """
    path = PurePosixPath(name)
    folder = str(path.parent)
    stem, *endings = path.name.split(".")
    if folder in tables:
        is_known = DATED.fullmatch(stem.removeprefix(folder).lstrip("_-")) is not None
    else:
        is_known = folder == "." and stem.lower() in tables
    if is_known and FILE_ENDINGS.issuperset(map(str.lower, endings)):
        return name
    ending = f".{endings[-1]}" if endings and endings[-1].lower() in FILE_ENDINGS else ""
    return f"{folder}/{instead}{ending}" if folder in tables else f"{instead}{ending}"


def files_below(folder: Path) -> list[str]:
    """The names of what lies in a source folder and in the folders in it, relative to it, each folder's in order."""
    entries = _visible(folder)
    below = [inner for entry in entries if entry.is_dir() for inner in _visible(entry)]
    return [path.relative_to(folder).as_posix() for path in (*entries, *below)]


def without_file_names(text: str, names: Sequence[str], tables: Collection[str]) -> str:
    """A text with the place of each file in its folder instead of a name that no contract knows (see `files_below`)."""
    siblings: dict[PurePosixPath, list[str]] = defaultdict(list)
    for name in names:
        siblings[PurePosixPath(name).parent].append(name)
    # A longer name may hold a shorter one.
    for name in sorted(names, key=len, reverse=True):
        path = PurePosixPath(name)
        if path.name.isprintable() and path.name not in text:
            continue
        others = siblings[path.parent]
        shown = shown_file(name, tables, f"[file {others.index(name) + 1:,} of {len(others):,} by name]")
        if shown != name:
            # What cannot be printed may have been escaped.
            letters = (re.escape(letter) if letter.isprintable() else r"(?:\\\w+?|.)" for letter in path.name)
            text = re.sub(rf"(?<![\w.-]){''.join(letters)}(?!\w)", PurePosixPath(shown).name, text, flags=re.DOTALL)
    return text


def count(connection: Connection, relation: str, where: str = "true") -> int:
    """The rows of a relation (schema.name)."""
    return int(scalar(connection, f"select count(*) from {relation} where {where}"))


def scalar(connection: Connection, query: str, parameters: Sequence[object] = ()) -> Any:
    """The one value of a query's one row."""
    row = connection.execute(query, list(parameters)).fetchone()
    return row[0] if row else None


def _in_order(columns: Sequence[str]) -> str:
    """SQL that orders a query by all of its columns."""
    return f" order by {', '.join(str(place) for place, _ in enumerate(columns, 1))}" if columns else ""


def _shareable_columns(connection: Connection, relation: str) -> list[str]:
    names = [column[0] for column in connection.execute(f"select * from {relation} limit 0").description]
    return [name for name in names if name in SHAREABLE_COLUMNS]


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))
    except OSError:
        # Nobody could have named what is in it.
        return []


def _shown(connection: Connection, columns: Sequence[str], rows: str, texts: Texts, own: Collection[str] = ()) -> Table:
    if not columns:
        return Table((), ())
    found = connection.execute(f"select {', '.join(columns)} {rows}").fetchall()
    return Table(
        tuple(columns),
        tuple(
            tuple(shareable(column, value, texts, own) for column, value in zip(columns, row, strict=True))
            for row in found
        ),
    )


def shareable(column: str, value: object, texts: Texts, own: Collection[str] = ()) -> str:
    """A value as `sample` shows it: empty where there is none, and masked where it may be somebody's."""
    if value is None or value == "":
        return ""
    if column not in SHAREABLE_COLUMNS:
        return MASKED
    if isinstance(value, SHOWN_TYPES):
        return str(value)
    if not isinstance(value, str):
        return MASKED
    if column == "file":
        return shown_file(value, texts.get("source_table", ()))
    known = texts.get(column, ())
    # Of several faulty columns of a row the loader writes the names one after the other.
    is_known = value in known or (column == "column_name" and all(name in known for name in value.split(", ")))
    return value if is_known or column in own else MASKED
