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

from greenery_assets.landing.columns import Shape
from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.files import Identity

REJECTED_ROWS = "quality.rejected_rows"
EXTRA_COLUMNS = "quality.extra_columns"

RejectedRow = tuple[object, ...]
"""The columns of quality.rejected_rows but for the last, load_was_refused."""

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


# Columns that a warehouse of an older version lacks.
_QUALITY = f"""
create table if not exists {REJECTED_ROWS} (
    source_table varchar, file varchar, line bigint, column_name varchar, reason varchar, raw_text varchar
);
alter table {REJECTED_ROWS} add column if not exists load_was_refused boolean default false;
create table if not exists {EXTRA_COLUMNS} (source_table varchar, column_name varchar);
alter table landing.files add column if not exists changed_ns bigint;
alter table landing.files add column if not exists inode ubigint;
alter table landing.files add column if not exists digest varchar;
"""

# The last version of each file.
_LATEST = (
    "(select * from landing.files qualify row_number() over "
    "(partition by source_table, path order by load_id desc) = 1) as latest"
)


@dataclass(frozen=True)
class LoadedFile:
    """The version of a source file that is in the warehouse.

    `shape` is the file as it was when it was read, with its absolute path, `contract` the one it was read against,
    `newest` the latest created_at (naive UTC), `in_place` means Parquet that is read where it lies.
    """

    shape: Shape
    contract: str
    in_place: bool
    rows: int
    rejected: int
    newest: datetime | None

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.shape.path


@dataclass(frozen=True)
class Arrival:
    """How a table arrived in a load, in rows.

    `rows_before` are those of the last accepted load, None where there was none, and `rows` those that take their
    place. Of the files that were new or changed `rows_read` rows were read, `rows_rejected` of these set aside.
    `is_accepted`: somebody said on that run that lost or rejected rows are meant, `is_refused` that the load
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
    """What of a contract matters to rows that were loaded under it, and how they are kept (2: with their line)."""
    return "2: " + ", ".join(f"{column.name} {column.data_type}" for column in contract.columns)


def exists(connection: duckdb.DuckDBPyConnection, schema: str, name: str | None = None) -> bool:
    """Whether the warehouse has such a table or view; any of the schema, where none is named."""
    found = connection.execute(
        "select 1 from information_schema.tables "
        "where table_catalog = current_database() and table_schema = ? and coalesce(table_name = ?, true)",
        [schema, name],
    )
    return found.fetchone() is not None


def prepare(connection: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    """Makes what landing writes, and drops what no load needs any more: of these tables, if it was refused."""
    for schema in ("raw", "landing", "quality"):
        connection.execute(f"create schema if not exists {schema}")
    for name, columns in _TABLES.items():
        connection.execute(f"create table if not exists landing.{name} ({columns})")
    connection.execute(_QUALITY)
    connection.execute(
        f"delete from {REJECTED_ROWS} where load_was_refused and list_contains(?, source_table)", [list(tables)]
    )


def next_load(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of the load that is under way: no load before had it, and no model has seen it."""
    row = connection.execute(
        "select coalesce(max(load_id), 0) + 1 from "
        # A load that only found files gone leaves no file, once a complete run has seen it.
        "(select load_id from landing.files union all select load_id from landing.complete_runs)"
    ).fetchone()
    assert row is not None, "an aggregate has one row"
    return int(row[0])


def files(connection: duckdb.DuckDBPyConnection, where: str = "true", *parameters: str) -> list[LoadedFile]:
    """The files that are in the warehouse, of those that an SQL condition names, in the order of their paths."""
    rows = connection.execute(
        "select path, bytes, modified_ns, changed_ns, inode, digest, contract, columns, in_place, row_count, "
        f"rejected, newest from {_LATEST} where {where} and not is_removed order by path",
        list(parameters),
    ).fetchall()
    return [
        LoadedFile(
            Shape(Path(path), Identity(*state), tuple((name, found) for name, found in json.loads(columns))), *others
        )
        for path, *state, contract, columns, in_place, count, rejected, newest in rows
        for others in [(contract, in_place, count, rejected, newest)]
    ]


def paths(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, Path]]:
    """The files that are in a warehouse of any version, each with its table."""
    if not exists(connection, "landing", "files"):
        return []
    rows = connection.execute(f"select source_table, path from {_LATEST} where not is_removed").fetchall()
    return [(table, Path(path)) for table, path in rows]


def record(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    load_id: int,
    read: Iterable[LoadedFile],
    days: Mapping[str, Mapping[date | None, int]],
) -> None:
    """Notes new versions of files, and the rows of each by day of created_at (None where it has none)."""
    for file in read:
        path = str(file.path)
        connection.execute(
            "insert into landing.files (source_table, path, load_id, bytes, modified_ns, changed_ns, inode, digest, "
            "columns, contract, in_place, row_count, rejected, newest, is_removed) "
            "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, false)",
            [
                *(table, path, load_id, *astuple(file.shape.identity), json.dumps(file.shape.columns)),
                *(file.contract, file.in_place, file.rows, file.rejected, file.newest),
            ],
        )
        connection.execute(
            "insert into landing.days select ?, ?, ?, unnest(?::date[]), unnest(?::bigint[])",
            [table, path, load_id, list(days[path]), list(days[path].values())],
        )


def record_removed(
    connection: duckdb.DuckDBPyConnection, table: str, load_id: int, removed: Sequence[LoadedFile]
) -> None:
    """Notes that files are not there any more."""
    connection.execute(
        "insert into landing.files (source_table, path, load_id, bytes, modified_ns, contract, columns, "
        "in_place, row_count, rejected, newest, is_removed) "
        "select ?, unnest(?::varchar[]), ?, 0, 0, '', '[]', false, 0, 0, null, true",
        [table, [str(file.path) for file in removed], load_id],
    )


def record_source(connection: duckdb.DuckDBPyConnection, kind: str, folder: Path, load_id: int) -> None:
    """Notes which source fills the warehouse, and since which load."""
    recorded = connection.execute("select kind, folder from landing.source").fetchall()
    if recorded != [(kind, str(folder))]:
        connection.execute("delete from landing.source")
        connection.execute("insert into landing.source values (?, ?, ?)", [kind, str(folder), load_id])


def record_arrivals(connection: duckdb.DuckDBPyConnection, load_id: int, arrivals: Iterable[Arrival]) -> None:
    """Notes how tables arrived in a load, in place of what was noted of them before."""
    for arrival in arrivals:
        table, *figures = astuple(arrival)
        connection.execute("delete from landing.arrivals where source_table = ?", [table])
        connection.execute("insert into landing.arrivals values (?, ?, ?, ?, ?, ?, ?, ?)", [table, load_id, *figures])


def replace_rejects(
    connection: duckdb.DuckDBPyConnection, table: str, names: Sequence[str], rejects: Sequence[RejectedRow]
) -> None:
    """Puts the rejected rows of the files with these names in place of those from before."""
    connection.execute(
        f"delete from {REJECTED_ROWS} where source_table = ? and list_contains(?, file)", [table, list(names)]
    )
    add_rejects(connection, rejects, load_was_refused=False)


def add_rejects(
    connection: duckdb.DuckDBPyConnection, rejects: Sequence[RejectedRow], *, load_was_refused: bool
) -> None:
    """Notes rejected rows, of what is loaded or of a load that was refused."""
    if rejects:
        connection.execute(
            f"insert into {REJECTED_ROWS} select unnest(?::varchar[]), unnest(?::varchar[]), "
            "unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::varchar[]), unnest(?::varchar[]), ?",
            [*(list(column) for column in zip(*rejects, strict=True)), load_was_refused],
        )


def replace_extra_columns(connection: duckdb.DuckDBPyConnection, columns: Mapping[str, Sequence[str]]) -> None:
    """Puts the columns that no contract asked for, by table, in place of those from before."""
    connection.execute(f"delete from {EXTRA_COLUMNS} where list_contains(?, source_table)", [list(columns)])
    for table, names in columns.items():
        connection.execute(f"insert into {EXTRA_COLUMNS} select ?, unnest(?::varchar[])", [table, list(names)])


def forget_replaced(connection: duckdb.DuckDBPyConnection) -> None:
    """Drops the versions of files that were replaced, or went, before the last complete run."""
    for name in ("days", "files"):
        connection.execute(
            f"delete from landing.{name} as old where exists (from landing.files as later where "
            "later.path = old.path and later.source_table = old.source_table and later.load_id >= old.load_id "
            "and (later.load_id > old.load_id or later.is_removed) "
            "and later.load_id <= (select min(load_id) from landing.complete_runs))"
        )


def last_arrival(connection: duckdb.DuckDBPyConnection, table: str) -> Arrival | None:
    """How a table arrived in the last load of it; None where none is on record."""
    if not exists(connection, "landing", "arrivals"):
        return None
    row = connection.execute(
        "select source_table, rows_before, row_count, rows_read, rows_rejected, is_accepted, is_refused "
        "from landing.arrivals where source_table = ?",
        [table],
    ).fetchone()
    return Arrival(*row) if row else None


def newest_moment(connection: duckdb.DuckDBPyConnection, table: str) -> datetime | None:
    """The latest created_at (naive UTC) of a table's rows, as it was noted when they were loaded."""
    row = connection.execute(
        f"select max(newest) from {_LATEST} where source_table = ? and not is_removed", [table]
    ).fetchone()
    return row[0] if row else None


def rows_by_day(connection: duckdb.DuckDBPyConnection, table: str) -> dict[date, int]:
    """A table's rows by day of created_at, as they were counted when they were loaded."""
    return dict(
        connection.execute(
            "select day, cast(sum(days.row_count) as bigint) from landing.days as days "
            f"join {_LATEST} using (source_table, path, load_id) "
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
        f"from {_LATEST} where source_table = ? order by path",
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
        f"select path, columns from {_LATEST} where source_table = ? and not is_removed order by path", [table]
    ).fetchall()
    found: dict[str, tuple[str, int]] = {}
    for path, columns in rows:
        for place, (name, _) in enumerate(json.loads(columns), start=1):
            if name not in contract:
                found.setdefault(name, (path, place))
    return found
