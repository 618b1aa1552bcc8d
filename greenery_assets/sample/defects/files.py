"""Defects of the files: lines that cannot be read, columns beyond the contract (A19), rows missing (A24, A25).

Broken lines exist only as text: they are noted in table `line_faults` of the sample's database, and
`break_lines` plants them once the files are written. Columns to be written in another way are noted in
`spoilt_columns`, so that other defects still find numbers in them; `spoil_columns` turns them into text at the end.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from greenery_assets.sample.database import contract_columns
from greenery_assets.sample.defects.base import Defect, DuckDB, in_rows

PAGE_VIEWS = """
    select event_id from events
    where event_type = 'page_view' and event_id is not null
      and event_id not in (select event_id from line_faults)
    qualify count(*) over (partition by event_id) = 1
    order by created_at, event_id"""


def _unreadable(fields: list[str], header: list[str]) -> list[str]:
    time = header.index("created_at")
    return [*fields[:time], "not-a-time", *fields[time + 1 :]]


def _short(fields: list[str], _header: list[str]) -> list[str]:
    return fields[:-2]


def _long(fields: list[str], _header: list[str]) -> list[str]:
    return [*fields, "surplus"]


FAULTS: dict[str, Callable[[list[str], list[str]], list[str]]] = {
    "unreadable_row": _unreadable,
    "short_row": _short,
    "long_row": _long,
}


def spoil_columns(connection: DuckDB) -> None:
    """Turn the columns chosen by defects into text, in the form in which the files have them."""
    for table, column, written in connection.execute("select distinct * from spoilt_columns").fetchall():
        connection.execute(f"alter table {table} alter {column} type varchar using {written}")


def break_lines(connection: DuckDB, event_files: Iterable[Path]) -> None:
    """Rewrite the lines of the CSV `event_files` that defects have chosen."""
    faults = dict(connection.execute("select event_id::text, fault from line_faults").fetchall())
    if not faults:
        return
    for path in event_files:
        broken = path.with_suffix(".broken")
        with (
            path.open(encoding="utf-8", newline="") as lines,
            broken.open("w", encoding="utf-8", newline="") as out,
        ):
            header_line = next(lines)
            header = header_line.rstrip("\n").split(",")
            out.write(header_line)
            for line in lines:
                fault = faults.get(line.partition(",")[0])
                # A page view's line quotes nothing, so that its commas are its separators.
                out.write(",".join(FAULTS[fault](line.rstrip("\n").split(","), header)) + "\n" if fault else line)
        broken.replace(path)


def _add_column(connection: DuckDB, _count: int, _rng: np.random.Generator) -> None:
    connection.execute("alter table events add column if not exists campaign text default 'newsletter'")


def _keep_headers_only(connection: DuckDB, _count: int, _rng: np.random.Generator) -> None:
    for table in contract_columns():
        connection.execute(f"delete from {table}")


def _cut_off(connection: DuckDB, percent: int, _rng: np.random.Generator) -> None:
    connection.execute(
        f"""delete from order_items where rowid in (
            select rowid from order_items order by order_id desc, product_id desc
            limit (select ceil(count(*) * {percent} / 100)::bigint from order_items))"""
    )


def _write_decimal_commas(connection: DuckDB, _count: int, _rng: np.random.Generator) -> None:
    connection.execute("insert into spoilt_columns values ('order_items', 'quantity', ?)", ["quantity || ',0'"])


DEFECTS = [
    *(
        in_rows(
            name, "A19", f"Page views {fault}.", PAGE_VIEWS,
            f"insert into line_faults select event_id, '{name}' from victims", csv_only=True,
        )
        for name, fault in {
            "unreadable_row": "have a time that is none",
            "short_row": "lack their last two fields",
            "long_row": "have a field too many",
        }.items()
    ),
    Defect("extra_column", "A19", "Events have a column that nobody asked for.", _add_column, counted=None),
    Defect("header_only", "A24", "All tables have lost their rows.", _keep_headers_only, counted=None),
    Defect(
        "rows_lost", "A24", "The last order items are missing.", _cut_off,
        "percent of order items", default_count=60, most=100,
    ),
    Defect(
        "decimal_comma", "A25", "All quantities of order items are written with a decimal comma.",
        _write_decimal_commas, counted=None,
    ),
]  # fmt: skip
