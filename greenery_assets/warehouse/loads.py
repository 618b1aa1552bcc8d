"""What has been loaded: every version of every source file, how each table arrived, and what was set aside.

Here: the schemas landing and quality, in SQL that every engine knows. `landing.files` has one row for each version of a
file (a file that went away has a last version that says so), `landing.days` one for each version and day of created_at
in it. `complete_runs`, `dbt_runs`, `broken_guards` and `durations` are written by dbt (macros/days.sql, guards.sql,
durations.sql) and only made here.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from pathlib import Path

from greenery_assets.warehouse.engines import Connection, append, tables
from greenery_assets.warehouse.errors import named

REJECTED_ROWS = "quality.rejected_rows"
EXTRA_COLUMNS = "quality.extra_columns"
DURATIONS = "quality.durations"

DAYS = "landing.days"

# `alter` adds what a warehouse of an older version lacks.
_SCHEMA = f"""
create schema if not exists raw;
create schema if not exists landing;
create schema if not exists quality;
create table if not exists landing.files (
    source_table varchar, path varchar, load_id bigint, bytes bigint, modified_ns bigint, contract varchar,
    columns varchar, in_place boolean, row_count bigint, rejected bigint, newest timestamp, is_removed boolean
);
alter table landing.files add column if not exists changed_ns bigint;
alter table landing.files add column if not exists inode decimal(20, 0);
alter table landing.files add column if not exists digest varchar;
create table if not exists landing.days (
    source_table varchar, path varchar, load_id bigint, day date, row_count bigint
);
create table if not exists landing.source (kind varchar, folder varchar, load_id bigint);
create table if not exists landing.arrivals (
    source_table varchar, load_id bigint, rows_before bigint, row_count bigint, rows_read bigint, rows_rejected bigint,
    is_accepted boolean, is_refused boolean
);
create table if not exists landing.complete_runs (what varchar, load_id bigint, run_at timestamp, definition varchar);
create table if not exists landing.dbt_runs (started_at timestamp);
create table if not exists landing.broken_guards (guard varchar, cases bigint);
create table if not exists {REJECTED_ROWS} (
    source_table varchar, file varchar, line bigint, column_name varchar, reason varchar, raw_text varchar
);
alter table {REJECTED_ROWS} add column if not exists load_was_refused boolean default false;
alter table {REJECTED_ROWS} add column if not exists rejected_at timestamp;
create table if not exists {EXTRA_COLUMNS} (source_table varchar, column_name varchar);
create table if not exists {DURATIONS} (
    run_id varchar, run_at timestamp, kind varchar, is_complete boolean, resource_type varchar, name varchar,
    seconds double precision
);
"""

_FILE_COLUMNS = (
    "path, bytes, modified_ns, changed_ns, inode, digest, columns, contract, in_place, row_count, rejected, newest, "
    "is_removed"
)

# The last version of each file.
_LATEST = (
    "(select * from (select *, row_number() over (partition by source_table, path order by load_id desc) as age "
    "from landing.files) as versions where age = 1) as latest"
)


@dataclass(frozen=True)
class Identity:
    """What distinguishes states of a file: size in bytes, times in ns since 1970, inode, hash of a small one.

    `cp -p`, `rsync -t` and `tar` set size and time of change back, but never `changed_ns` or the inode. Mounts of
    object stores may make both up, and two writes can fall into one tick of the clock: hence `digest`, which is None
    for a large file. None of the others is what was noted before there were these.
    """

    bytes: int
    modified_ns: int
    changed_ns: int | None
    inode: int | None
    digest: str | None

    def is_same(self, other: "Identity") -> bool:
        """Whether both are one state. A small file that was only touched, linked or copied is as it was."""
        if self.digest and other.digest:
            return (self.bytes, self.digest) == (other.bytes, other.digest)
        return self == other


@dataclass(frozen=True)
class Shape:
    """One source file: where it is, its state when that was found, and its columns with their types, in file order."""

    path: Path
    identity: Identity
    columns: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return named(self.path)

    @property
    def is_csv(self) -> bool:
        """Whether it is CSV by its name; else it is Parquet."""
        return self.path.suffix.lower() == ".csv"


@dataclass(frozen=True)
class LoadedFile(Shape):
    """The version of a source file that was loaded last, with its absolute path.

    `contract` is the one it was read against, `newest` the latest created_at (naive UTC), `in_place` means Parquet that
    is read where it lies. `is_removed`: the file is not there any more, nor are its rows.
    """

    contract: str
    in_place: bool
    rows: int
    rejected: int
    newest: datetime | None
    is_removed: bool = False


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


def prepare(connection: Connection, names: Sequence[str]) -> int:
    """Makes what landing writes, drops what no load of these tables needs any more, and returns the load's number.

    No load before had the number, and no model has seen it. What goes are rejected rows of a load that was refused, and
    the versions of files that were replaced, or went, before the last complete run.
    """
    connection.execute(_SCHEMA)
    connection.execute(f"delete from {REJECTED_ROWS} where load_was_refused and source_table = any(?)", [list(names)])
    for name in ("days", "files"):
        connection.execute(
            f"delete from landing.{name} as old where exists (select 1 from landing.files as later where "
            "later.path = old.path and later.source_table = old.source_table and later.load_id >= old.load_id "
            "and (later.load_id > old.load_id or later.is_removed) "
            "and later.load_id <= (select min(load_id) from landing.complete_runs))"
        )
    [(number,)] = connection.execute(
        "select coalesce(max(load_id), 0) + 1 from "
        # A load that only found files gone leaves no file, once a complete run has seen it.
        "(select load_id from landing.files union all select load_id from landing.complete_runs) as loads"
    ).fetchall()
    return int(number)


def files(connection: Connection, where: str, *parameters: str) -> list[LoadedFile]:
    """The files that are in the warehouse, of those that an SQL condition names, in the order of their paths."""
    rows = connection.execute(
        f"select {_FILE_COLUMNS} from {_LATEST} where {where} and not is_removed", list(parameters)
    ).fetchall()
    # Not by the database, whose order of texts may be a language's.
    rows.sort(key=lambda row: str(row[0]))
    return [
        LoadedFile(
            Path(row[0]), Identity(*row[1:6]), tuple((name, found) for name, found in json.loads(row[6])), *row[7:]
        )
        for row in rows
    ]


def paths(connection: Connection) -> list[tuple[str, Path]]:
    """The files that are in a warehouse of any version, each with its table."""
    if "files" not in tables(connection, "landing"):
        return []
    rows = connection.execute(f"select source_table, path from {_LATEST} where not is_removed").fetchall()
    return [(table, Path(path)) for table, path in rows]


def record_files(connection: Connection, table: str, load_id: int, versions: Iterable[LoadedFile]) -> None:
    """Notes new versions of files."""
    rows = [
        (table, load_id, str(file.path), *astuple(file.identity), json.dumps(file.columns), *astuple(file)[3:])
        for file in versions
    ]
    append(connection, f"landing.files (source_table, load_id, {_FILE_COLUMNS})", rows)


def record_source(connection: Connection, kind: str, folder: Path, load_id: int) -> None:
    """Notes which source fills the warehouse, and since which load."""
    if connection.execute("select kind, folder from landing.source").fetchall() != [(kind, str(folder))]:
        replace(connection, "landing.source", "true", [(kind, str(folder), load_id)])


def record_arrivals(connection: Connection, load_id: int, arrivals: Sequence[Arrival]) -> None:
    """Notes how tables arrived in a load, in place of what was noted of them before."""
    rows = [(arrival.table, load_id, *astuple(arrival)[1:]) for arrival in arrivals]
    replace(connection, "landing.arrivals", "source_table = any(?)", rows, [row[0] for row in rows])


def replace(
    connection: Connection, relation: str, where: str, rows: Iterable[Sequence[object]], *given: object
) -> None:
    """Puts rows in place of those that an SQL condition, with its parameters, names."""
    connection.execute(f"delete from {relation} where {where}", list(given))
    append(connection, relation, list(rows))


def forget_personal_data(connection: Connection, before: datetime, checks: Collection[str]) -> None:
    """Removes the raw text of rows rejected before a time (naive UTC), and the failing rows of other checks than these.

    The rejected rows stay, with file, line, column and reason. Those of before the time was noted count as old.
    """
    connection.execute(_SCHEMA)
    old = "raw_text is not null and (rejected_at is null or rejected_at < ?)"
    columns = "source_table, file, line, column_name, reason, null, load_was_refused, rejected_at"
    rows = connection.execute(f"select {columns} from {REJECTED_ROWS} where {old}", [before]).fetchall()
    if rows:
        replace(connection, REJECTED_ROWS, old, rows, before)
    for name in sorted(tables(connection, "quality")):
        if name not in checks and f"quality.{name}" not in (REJECTED_ROWS, EXTRA_COLUMNS, DURATIONS):
            connection.execute(f'drop table quality."{name}"')


def last_arrival(connection: Connection, table: str) -> Arrival | None:
    """How a table arrived in the last load of it; None where none is on record."""
    if "arrivals" not in tables(connection, "landing"):
        return None
    row = connection.execute(
        "select source_table, rows_before, row_count, rows_read, rows_rejected, is_accepted, is_refused "
        "from landing.arrivals where source_table = ?",
        [table],
    ).fetchone()
    return Arrival(*row) if row else None


def newest_moment(connection: Connection, table: str) -> datetime | None:
    """The latest created_at (naive UTC) of a table's rows, as it was noted when they were loaded."""
    return max((file.newest for file in files(connection, "source_table = ?", table) if file.newest), default=None)


def rows_by_day(connection: Connection, table: str) -> dict[date, int]:
    """A table's rows by day of created_at, as they were counted when they were loaded."""
    return dict(
        connection.execute(
            "select day, cast(sum(days.row_count) as bigint) from landing.days as days "
            f"join {_LATEST} using (source_table, path, load_id) "
            "where source_table = ? and not is_removed and day is not null group by day",
            [table],
        ).fetchall()
    )


def affected_days(connection: Connection, table: str) -> list[date]:
    """The days of created_at in the files of a table that its last load added, changed or removed, sorted.

    A file that changed affects the days that it had before too.
    """
    return sorted(
        day
        for (day,) in connection.execute(
            "select distinct day from landing.days where source_table = ? and day is not null and path in "
            "(select path from landing.files where source_table = ? "
            "and load_id = (select max(load_id) from landing.files where source_table = ?))",
            [table, table, table],
        ).fetchall()
    )


def files_in_and_gone(connection: Connection, table: str, source_dir: Path) -> tuple[int, list[str]]:
    """How many files of a table are loaded, and the names of those that the last load found gone from the folder.

    Files of another folder do not count as gone: it was the setting that changed.
    """
    rows = connection.execute(
        f"select path from {_LATEST} where source_table = ? and is_removed "
        "and load_id = (select max(load_id) from landing.files)",
        [table],
    ).fetchall()
    folder = source_dir.absolute()
    gone = [Path(path).relative_to(folder).as_posix() for (path,) in sorted(rows) if Path(path).is_relative_to(folder)]
    return len(files(connection, "source_table = ?", table)), gone


def extra_columns(connection: Connection, table: str, contract: Collection[str]) -> dict[str, tuple[str, int]]:
    """The columns of a table's files that its contract does not name: the first file that has each, its place there.

    Files are named by their paths, places count from 1.
    """
    found: dict[str, tuple[str, int]] = {}
    for file in files(connection, "source_table = ?", table):
        for place, (name, _) in enumerate(file.columns, start=1):
            if name not in contract:
                found.setdefault(name, (str(file.path), place))
    return found
