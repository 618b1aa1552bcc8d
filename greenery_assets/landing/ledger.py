"""What has been loaded: every version of every source file, and the last load that is in every model.

Here: schema landing of the warehouse. Its tables: `files` has one row for each version of a file (a file that went
away has a last version that says so), `days` one for each version and day of created_at in it. `complete_runs` and
`broken_guards` are written by dbt (macros/days.sql, guards.sql) and only made here. Not here: reading files.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.files import Identity
from greenery_assets.landing.shapes import Shape, is_csv

_TABLES = {
    "files": "source_table varchar, path varchar, load_id bigint, bytes bigint, modified_ns bigint, contract varchar, "
    "columns varchar, in_place boolean, row_count bigint, rejected bigint, newest timestamp, is_removed boolean, "
    "changed_ns bigint, inode ubigint, digest varchar",
    "days": "source_table varchar, path varchar, load_id bigint, day date, row_count bigint",
    "source": "kind varchar, folder varchar, load_id bigint",
    "arrivals": "source_table varchar, load_id bigint, rows_before bigint, row_count bigint, rows_read bigint, "
    "rows_rejected bigint, is_accepted boolean, is_refused boolean",
    "complete_runs": "what varchar, load_id bigint, run_at timestamp, definition varchar",
    "dbt_runs": "started_at timestamp",
    "broken_guards": "guard varchar, cases bigint",
}


# What a file's identity is made of beyond size and time of change; a warehouse of an older version lacks it.
_IDENTITY = {"changed_ns": "bigint", "inode": "ubigint", "digest": "varchar"}


@dataclass(frozen=True)
class LoadedFile:
    """The version of a source file that is in the warehouse.

    `path` is absolute, `identity` tells whether the file changed, `contract` is the one it was read against, `newest`
    the latest created_at (naive UTC), `in_place` tells Parquet that is read where it lies.
    """

    path: Path
    identity: Identity
    contract: str
    columns: tuple[tuple[str, str], ...]
    in_place: bool
    rows: int
    rejected: int
    newest: datetime | None

    @property
    def shape(self) -> Shape:
        """The file as it was when it was read."""
        return Shape(self.path, is_csv(self.path), self.identity, self.columns)


@dataclass(frozen=True)
class Arrival:
    """How a table arrived in a load, in rows.

    `rows_before` are those of the last accepted load, None where there was none, and `rows` those that take their
    place. Of the files that were new or changed `rows_read` rows were read, `rows_rejected` of these set aside.
    `is_accepted` tells that somebody said on that run that lost or rejected rows are meant, `is_refused` that the load
    was given up and left all tables as they were.
    """

    table: str
    rows_before: int | None
    rows: int
    rows_read: int
    rows_rejected: int
    is_accepted: bool
    is_refused: bool = False


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
        if "files" not in missing:
            for column, data_type in _IDENTITY.items():
                connection.execute(f"alter table {schema}.files add column if not exists {column} {data_type}")

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
        return _files(self.connection, self.schema, "source_table = ?", table)

    def record(
        self, table: str, load_id: int, files: Iterable[LoadedFile], days: Mapping[str, Mapping[date | None, int]]
    ) -> None:
        """Notes new versions of files, and the rows of each by day of created_at (None where it has none)."""
        for file in files:
            columns = json.dumps(file.columns)
            self.connection.execute(
                f"insert into {self.schema}.files (source_table, path, load_id, bytes, modified_ns, changed_ns, inode, "
                "digest, contract, columns, in_place, row_count, rejected, newest, is_removed) "
                "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, false)",
                [
                    table,
                    str(file.path),
                    load_id,
                    *astuple(file.identity),
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

    def paths(self) -> list[tuple[str, Path]]:
        """The files that are in the warehouse, each with its table."""
        rows = self.connection.execute(
            f"select source_table, path from {_latest(self.schema)} where not is_removed"
        ).fetchall()
        return [(table, Path(path)) for table, path in rows]

    def record_source(self, kind: str, folder: Path, load_id: int) -> None:
        """Notes which source fills the warehouse, and since which load."""
        recorded = self.connection.execute(f"select kind, folder from {self.schema}.source").fetchall()
        if recorded != [(kind, str(folder))]:
            self.connection.execute(f"delete from {self.schema}.source")
            self.connection.execute(f"insert into {self.schema}.source values (?, ?, ?)", [kind, str(folder), load_id])

    def record_arrivals(self, load_id: int, arrivals: Iterable[Arrival]) -> None:
        """Notes how tables arrived in a load, in place of what was noted of them before."""
        for found in arrivals:
            self.connection.execute(f"delete from {self.schema}.arrivals where source_table = ?", [found.table])
            self.connection.execute(
                f"insert into {self.schema}.arrivals values (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    found.table,
                    load_id,
                    found.rows_before,
                    found.rows,
                    found.rows_read,
                    found.rows_rejected,
                    found.is_accepted,
                    found.is_refused,
                ],
            )

    def record_removed(self, table: str, load_id: int, files: Sequence[LoadedFile]) -> None:
        """Notes that files are not there any more."""
        self.connection.execute(
            f"insert into {self.schema}.files (source_table, path, load_id, bytes, modified_ns, contract, columns, "
            "in_place, row_count, rejected, newest, is_removed) "
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


def last_arrival(connection: duckdb.DuckDBPyConnection, table: str) -> Arrival | None:
    """How a table arrived in the last load of it; None where none is on record."""
    if not connection.execute(
        "select 1 from information_schema.tables where table_catalog = current_database() "
        "and table_schema = 'landing' and table_name = 'arrivals'"
    ).fetchone():
        return None
    row = connection.execute(
        "select source_table, rows_before, row_count, rows_read, rows_rejected, is_accepted, is_refused "
        "from landing.arrivals where source_table = ?",
        [table],
    ).fetchone()
    return Arrival(*row) if row else None


def _files(connection: duckdb.DuckDBPyConnection, schema: str, where: str, *parameters: str) -> list[LoadedFile]:
    rows = connection.execute(
        "select path, bytes, modified_ns, changed_ns, inode, digest, contract, columns, in_place, row_count, "
        f"rejected, newest from {_latest(schema)} where {where} and not is_removed order by path",
        list(parameters),
    ).fetchall()
    return [
        LoadedFile(
            path=Path(path),
            identity=Identity(*state),
            contract=contract,
            columns=tuple((name, data_type) for name, data_type in json.loads(columns)),
            in_place=in_place,
            rows=count,
            rejected=rejected,
            newest=newest,
        )
        for path, *state, contract, columns, in_place, count, rejected, newest in rows
    ]


def files_in_place(connection: duckdb.DuckDBPyConnection) -> list[LoadedFile]:
    """The Parquet files that are read where they lie, of all tables."""
    return _files(connection, "landing", "in_place")


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


def extra_columns(
    connection: duckdb.DuckDBPyConnection, table: str, contract: Collection[str]
) -> dict[str, tuple[str, int]]:
    """The columns of a table's files that its contract does not name: the first file that has each, its place there.

    Files are named by their paths, places count from 1.
    """
    rows = connection.execute(
        f"select path, columns from {_latest()} where source_table = ? and not is_removed order by path", [table]
    ).fetchall()
    found: dict[str, tuple[str, int]] = {}
    for path, columns in rows:
        for place, (name, _) in enumerate(json.loads(columns), start=1):
            if name not in contract:
                found.setdefault(name, (path, place))
    return found
