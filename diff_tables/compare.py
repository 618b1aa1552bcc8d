"""How two DuckDB files differ: tables, columns and rows, the figures of the page, the outcomes of checks.

Plain functions; how it is written down is markdown's business. What a run notes of itself, such as when it was,
differs between any two runs and is left out. Values are shown as privacy allows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from greenery_assets.privacy import MASKED, SHAREABLE_COLUMNS, Texts, shareable
from greenery_assets.report.figures import Figures
from greenery_assets.report.queries import read_figures

EXAMPLES = 3
# The loader's own, and failing rows, which the outcomes of the checks count.
LEFT_OUT = ("landing", "quality", "main")
# When a run saw something, and what is made of that.
OF_THE_RUN = frozenset(
    ["built_at", "published_at", "rejected_at", "run_id", "seen_at", "out_of_stock_since", "out_of_stock_until",
     "dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"]
)  # fmt: skip
SIDES = ("base", "change")


@dataclass(frozen=True, kw_only=True)
class TableDifference:
    """How a table differs. `rows` are those of base and change, None on the side that has no such table.

    `columns` says what became of a column. Rows are matched by `key`, or where each side has one row; otherwise a
    changed row counts as removed and added. `changed_columns` has the number of changed rows by column. `examples`
    are sentences.
    """

    name: str
    rows: tuple[int | None, int | None]
    columns: Sequence[str] = ()
    key: Sequence[str] = ()
    added: int = 0
    removed: int = 0
    changed: int = 0
    changed_columns: Mapping[str, int] = field(default_factory=dict)
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Change:
    """A figure's value or a check's outcome on both sides, in words; `note` says in how many places it differs.

    Of shares by day, product or step, which do not add up, there is only the note.
    """

    name: str
    base: str
    change: str
    note: str = ""


def keys(manifest: Mapping[str, Any]) -> dict[str, list[str]]:
    """The key of each table ("core.dim_users"), as its test of uniqueness in dbt's manifest has it."""
    nodes = manifest["nodes"]
    tests = [(nodes.get(node.get("attached_node")), node.get("test_metadata")) for node in nodes.values()]
    return {
        f"{tested['schema']}.{tested['name']}": test["kwargs"].get("columns") or [test["kwargs"]["column_name"]]
        for tested, test in tests
        if tested and test and test["name"] in ("is_key", "unique")
    }


def order(manifest: Mapping[str, Any]) -> list[str]:
    """The tables in an order in which dbt builds them: a difference begins at the first that differs."""
    nodes = {**manifest["sources"], **manifest["nodes"]}
    graph = {name: set(node.get("depends_on", {}).get("nodes", [])) & nodes.keys() for name, node in nodes.items()}
    return [f"{nodes[name]['schema']}.{nodes[name]['name']}" for name in TopologicalSorter(graph).static_order()]


def opened(**files: Path) -> duckdb.DuckDBPyConnection:
    """A connection with these files as databases of these names, by which their views call them."""
    connection = duckdb.connect()
    for name, path in files.items():
        quoted = str(path).replace("'", "''")
        connection.execute(f"attach '{quoted}' as {name} (read_only)")
    return connection


def compare_tables(
    base: Path, change: Path, manifest: Mapping[str, Any], texts: Texts, examples: int
) -> list[TableDifference]:
    """The tables that differ, in the order of the manifest. Raises ValueError where no side has a table.

    The files are called base.duckdb and change.duckdb. `texts` are those that may be shown (privacy.known_texts),
    `examples` is how many rows of each kind of difference.
    """
    with opened(base=base, change=change) as connection:
        there = connection.execute(
            "select concat(table_schema, '.', table_name), list(table_catalog) from information_schema.tables "
            "where not list_contains(?, table_schema) group by all order by all",
            [LEFT_OUT],
        ).fetchall()
        if not there:
            raise ValueError(f"Neither {base} nor {change} has a table.")
        key_of, place = keys(manifest), {name: number for number, name in enumerate(order(manifest))}
        found = []
        for name, sides in sorted(there, key=lambda row: place.get(row[0], -1)):
            if len(sides) == len(SIDES):
                found.append(_Rows(connection, name, texts, examples).difference(key_of.get(name, [])))
            else:
                number = _count(connection, f"{sides[0]}.{name}")
                found.append(TableDifference(name=name, rows=(number, None) if sides == ["base"] else (None, number)))
    return [one for one in found if None in one.rows or one.columns or one.added or one.removed or one.changed]


@dataclass(frozen=True)
class _Rows:
    """A table that both sides have."""

    connection: duckdb.DuckDBPyConnection
    name: str
    texts: Texts
    examples: int

    def difference(self, key: Sequence[str]) -> TableDifference:
        before, after = (
            dict(row[:2] for row in self.connection.execute(f"describe {side}.{self.name}").fetchall())
            for side in SIDES
        )
        common = [column for column in after if column in before and column not in OF_THE_RUN]
        # What has another type is compared as the new one.
        casts = ", ".join(f'try_cast("{column}" as {after[column]}) as "{column}"' for column in common) or "null"
        for side in SIDES:
            self.connection.execute(
                f"create or replace temp view {side}_rows as select {casts} from {side}.{self.name}"
            )
        key = [column for column in key if column not in OF_THE_RUN]
        if not set(key) <= set(common) or not all(self._is_unique(f"{side}_rows", key) for side in SIDES):
            key = []
        rows = _count(self.connection, "base_rows"), _count(self.connection, "change_rows")
        return TableDifference(
            name=self.name,
            rows=rows,
            columns=[
                *(f"`{column}` added" for column in after if column not in before),
                *(f"`{column}` removed" for column in before if column not in after),
                *(
                    f"`{column}` {before[column]} → {kind}"
                    for column, kind in after.items()
                    if before.get(column, kind) != kind
                ),
            ],
            **(self._matched(key, common) if key or rows == (1, 1) else self._by_row(common)),
        )

    def _is_unique(self, rows: str, key: Sequence[str]) -> bool:
        """Whether a key is set and unique; a change may be what breaks it."""
        is_set = " and ".join(f'"{column}" is not null' for column in key) or "false"
        distinct = f"(select distinct {_listed(key)} from {rows} where {is_set})" if key else "(select 1 where false)"
        return _count(self.connection, rows) == _count(self.connection, distinct)

    def _matched(self, key: Sequence[str], common: Sequence[str]) -> dict[str, Any]:
        others = [column for column in common if column not in key]
        differs = [f'base_rows."{column}" is distinct from change_rows."{column}"' for column in others] or ["false"]
        join = f"join change_rows using ({_listed(key)})" if key else "cross join change_rows"
        pairs = f"base_rows {join} where {' or '.join(differs)}"
        counts = ", ".join(f"count(*) filter ({condition})" for condition in differs)
        changed, *by_column = self._rows(f"select count(*), {counts} from {pairs}")[0]
        values = [f'{side}_rows."{column}"' for side in SIDES for column in others]
        shown = ", ".join([*(f'"{column}"' for column in key), *values]) or "null"
        examples = []
        for row in self._rows(f"select {shown} from {pairs} order by all limit {self.examples}"):
            before, after = row[len(key) : len(key) + len(others)], row[len(key) + len(others) :]
            became = [
                f"`{column}` {self._shown(column, one)} → {self._shown(column, other)}"
                for column, one, other in zip(others, before, after, strict=True)
                if one != other
            ]
            examples.append(f"changed: {self._words(key, row) or 'the row'}: {', '.join(became)}")
        return {
            "key": key,
            "changed": changed,
            "changed_columns": {column: number for column, number in zip(others, by_column, strict=False) if number},
            "examples": examples,
            **(self._only(key, "anti join {other} using ({key})", examples) if key else {}),
        }

    def _by_row(self, common: Sequence[str]) -> dict[str, Any]:
        return self._only([column for column in common if column in SHAREABLE_COLUMNS], "except all from {other}", [])

    def _only(self, shown: Sequence[str], without: str, examples: Sequence[str]) -> dict[str, Any]:
        """The rows of one side alone, counted and with examples."""
        found: dict[str, Any] = {"examples": list(examples)}
        for what, side, other in (("added", "change_rows", "base_rows"), ("removed", "base_rows", "change_rows")):
            rows = f"(from {side} {without.format(other=other, key=_listed(shown))})"
            found[what] = _count(self.connection, rows)
            for row in self._rows(f"select {_listed(shown) or 'null'} from {rows} order by all limit {self.examples}"):
                found["examples"].append(f"{what}: {self._words(shown, row) or 'a row of which no column is shown'}")
        return found

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def _words(self, columns: Sequence[str], row: Sequence[object]) -> str:
        named = zip(columns, row, strict=False)
        return ", ".join(f"`{column}` {self._shown(column, value)}" for column, value in named)

    def _shown(self, column: str, value: object) -> str:
        return "null" if value is None else shareable(column, value, self.texts)


def read(path: Path, side: str) -> Figures:
    """The figures of the page, as this project reads them from the file of a side."""
    with opened(**{side: path}) as connection:
        connection.execute(f"use {side}")
        return read_figures(connection, datetime.now(UTC).date(), volume_band=3)


def compare_figures(base: Figures, change: Figures, texts: Texts) -> list[Change]:
    """The figures that differ. Those by day, product or step are added up, and those that differ counted.

    `texts` as in compare_tables: a type of event that no contract knows may be anything.
    """
    known = frozenset().union(*texts.values())
    values = dict(_flat(base, known)), dict(_flat(change, known))
    paths: dict[str, list[tuple[str, ...]]] = {}
    for path in {**values[0], **values[1]}:
        paths.setdefault(path[0], []).append(path)
    changes = []
    for name, alike in paths.items():
        differing = sum(values[0].get(path) != values[1].get(path) for path in alike)
        if differing and len(alike) == 1:
            before, after = (_number(side.get(alike[0])) for side in values)
            changes.append(Change(name, before, after))
        elif differing:
            sums = [_sum([side.get(path) for path in alike]) for side in values]
            note = f"{differing} of {len(alike)} differ"
            if sums == [None, None]:
                # "none" would say that they are gone.
                changes.append(Change(name, "", "", note))
            else:
                changes.append(Change(f"{name}, sum", _number(sums[0]), _number(sums[1]), note))
    return changes


def compare_checks(base: Mapping[str, str], change: Mapping[str, str]) -> list[Change]:
    """The checks whose outcome differs, by name."""
    names = sorted({*base, *change})
    pairs = [Change(name, *(side.get(name, "no such check") for side in (base, change))) for name in names]
    return [pair for pair in pairs if pair.base != pair.change]


def _flat(
    value: Any, known: Set[str], name: str = "", entry: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each number by its name, and of an entry of a sequence also by what distinguishes it.

    Those are its texts and days, and its place among the entries that have the same or none: a row that is new does
    not make others differ.
    """
    if is_dataclass(value):
        for part in fields(value):
            inner_name = f"{name}: {part.name}".lstrip(": ").replace("_", " ")
            yield from _flat(getattr(value, part.name), known, inner_name, entry)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            shown = key if key in known or isinstance(key, date) else MASKED
            yield from _flat(inner, known, f"{name}: {shown}", (*entry, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        alike = Counter[str]()
        for each in value:
            parts = [getattr(each, part.name) for part in fields(each)] if is_dataclass(each) else []
            words = " ".join(str(part) for part in parts if isinstance(part, str | date))
            yield from _flat(each, known, name, (*entry, words, str(alike[words])))
            alike[words] += 1
    elif not isinstance(value, str | date):
        yield (name, *entry), value


def _sum(values: Sequence[Any]) -> Any:
    """Counts and money add up; shares do not. What is not there is no 0."""
    known = [value for value in values if value is not None]
    return sum(known) if known and all(isinstance(value, int | Decimal) for value in known) else None


def _number(value: Any) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else f"{value:,}"


def _count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    found = connection.execute(f"select count(*) from {rows}").fetchone()
    return int(found[0]) if found else 0


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
