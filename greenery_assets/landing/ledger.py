"""What has been loaded: every version of every source file, and the last load that is in every model.

Here: schema landing of the warehouse. Its tables: `files` has one row for each version of a file (a file that went
away has a last version that says so), `days` one for each version and day of created_at in it. `complete_runs` and
`broken_guards` are written by dbt (macros/days.sql, guards.sql) and only made here. Not here: reading files.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.shapes import Shape

_TABLES = {
    "files": "source_table varchar, path varchar, load_id bigint, bytes bigint, modified_ns bigint, contract varchar, "
    "columns varchar, in_place boolean, row_count bigint, rejected bigint, newest timestamp, is_removed boolean",
    "days": "source_table varchar, path varchar, load_id bigint, day date, row_count bigint",
    "complete_runs": "what varchar, load_id bigint, run_at timestamp, definition varchar",
    "broken_guards": "guard varchar, cases bigint",
}


@dataclass(frozen=True)
class LoadedFile:
    """The version of a source file that is in the warehouse.

    `path` is absolute, `bytes` and `modified_ns` tell whether the file changed, `contract` is the one it was read
    against, `newest` the latest created_at (naive UTC), `in_place` tells Parquet that is read where it lies.
    """

    path: Path
    bytes: int
    modified_ns: int
    contract: str
    columns: tuple[tuple[str, str], ...]
    in_place: bool
    rows: int
    rejected: int
    newest: datetime | None

    @property
    def shape(self) -> Shape:
        """The file as it was when it was read."""
        return Shape(self.path, self.path.suffix.lower() == ".csv", self.bytes, self.columns)


def contract_text(contract: TableContract) -> str:
    """What of a contract matters to rows that were loaded under it."""
    return ", ".join(f"{column.name} {column.data_type}" for column in contract.columns)


class Ledger:
    """The tables of schema landing, in an open transaction; `schema` is its name as quoted SQL."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, schema: str) -> None:
        self.connection, self.schema = connection, schema
        there = connection.execute(
            "select table_name from information_schema.tables "
            "where table_catalog = current_database() and table_schema = 'landing'"
        ).fetchall()
        missing = _TABLES.keys() - {name for (name,) in there}
        if missing:
            connection.execute(f"create schema if not exists {schema}")
        for name in sorted(missing):
            connection.execute(f"create table {schema}.{name} ({_TABLES[name]})")

    def next_load(self) -> int:
        """The number of the load that is under way: no load before had it, and no model has seen it."""
        row = self.connection.execute(
            "select coalesce(max(load_id), 0) + 1 from "
            # A load that only found files gone leaves no file, once a complete run has seen it.
            f"(select load_id from {self.schema}.files union all select load_id from {self.schema}.complete_runs)"
        ).fetchone()
        assert row is not None, "an aggregate has one row"
        return int(row[0])

    def files(self, table: str) -> list[LoadedFile]:
        """The files of a table that are in the warehouse, in the order of their paths."""
        rows = self.connection.execute(
            "select path, bytes, modified_ns, contract, columns, in_place, row_count, rejected, newest "
            f"from {_latest(self.schema)} where source_table = ? and not is_removed order by path",
            [table],
        ).fetchall()
        return [
            LoadedFile(
                path=Path(path),
                bytes=size,
                modified_ns=modified_ns,
                contract=contract,
                columns=tuple((name, data_type) for name, data_type in json.loads(columns)),
                in_place=in_place,
                rows=count,
                rejected=rejected,
                newest=newest,
            )
            for path, size, modified_ns, contract, columns, in_place, count, rejected, newest in rows
        ]

    def record(
        self, table: str, load_id: int, files: Iterable[LoadedFile], days: Mapping[str, Mapping[date | None, int]]
    ) -> None:
        """Notes new versions of files, and the rows of each by day of created_at (None where it has none)."""
        for file in files:
            columns = json.dumps(file.columns)
            self.connection.execute(
                f"insert into {self.schema}.files values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, false)",
                [
                    table,
                    str(file.path),
                    load_id,
                    file.bytes,
                    file.modified_ns,
                    file.contract,
                    columns,
                    file.in_place,
                    file.rows,
                    file.rejected,
                    file.newest,
                ],
            )
            by_day = days.get(str(file.path), {})
            self.connection.execute(
                f"insert into {self.schema}.days select ?, ?, ?, unnest(?::date[]), unnest(?::bigint[])",
                [table, str(file.path), load_id, list(by_day), list(by_day.values())],
            )

    def record_removed(self, table: str, load_id: int, files: Sequence[LoadedFile]) -> None:
        """Notes that files are not there any more."""
        self.connection.execute(
            f"insert into {self.schema}.files "
            "select ?, unnest(?::varchar[]), ?, 0, 0, '', '[]', false, 0, 0, null, true",
            [table, [str(file.path) for file in files], load_id],
        )

    def forget_replaced(self) -> None:
        """Drops the versions of files that were replaced, or went, before the last complete run."""
        for name in ("days", "files"):
            self.connection.execute(
                f"delete from {self.schema}.{name} as old where exists (from {self.schema}.files as later where "
                "later.path = old.path and later.source_table = old.source_table and later.load_id >= old.load_id "
                "and (later.load_id > old.load_id or later.is_removed) "
                f"and later.load_id <= (select min(load_id) from {self.schema}.complete_runs))"
            )


def _latest(schema: str = "landing") -> str:
    """The last version of each file, as a relation."""
    return (
        f"(select * from {schema}.files qualify row_number() over "
        "(partition by source_table, path order by load_id desc) = 1) as latest"
    )


def newest_moment(connection: duckdb.DuckDBPyConnection, table: str) -> datetime | None:
    """The latest created_at (naive UTC) of a table's rows, as it was noted when they were loaded."""
    row = connection.execute(
        f"select max(newest) from {_latest()} where source_table = ? and not is_removed", [table]
    ).fetchone()
    return row[0] if row else None


def rows_by_day(connection: duckdb.DuckDBPyConnection, table: str) -> dict[date, int]:
    """A table's rows by day of created_at, as they were counted when they were loaded."""
    return dict(
        connection.execute(
            "select day, cast(sum(days.row_count) as bigint) from landing.days as days "
            f"join {_latest()} using (source_table, path, load_id) "
            "where source_table = ? and not is_removed and day is not null group by day",
            [table],
        ).fetchall()
    )


def files_in_and_gone(connection: duckdb.DuckDBPyConnection, table: str, source_dir: Path) -> tuple[int, list[str]]:
    """How many files of a table are loaded, and the names of those that the last load found gone from the folder.

    Files of another folder do not count as gone: it was the setting that changed.
    """
    rows = connection.execute(
        "select path, is_removed, load_id = (select max(load_id) from landing.files) "
        f"from {_latest()} where source_table = ? order by path",
        [table],
    ).fetchall()
    folder = source_dir.absolute()
    gone = [Path(path) for path, is_removed, is_last in rows if is_removed and is_last]
    return (
        sum(not is_removed for _, is_removed, _ in rows),
        [path.relative_to(folder).as_posix() for path in gone if path.is_relative_to(folder)],
    )
