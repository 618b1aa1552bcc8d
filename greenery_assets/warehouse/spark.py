"""Spark: tables of a cluster, asked through its Thrift server; rows reach it as Parquet in a folder that it sees.

Here: the way to open, write and lock it. Not here: the session of the server (spark_server.py), what is in the
warehouse (loads.py), and what dbt does with the server (dbt_project/profiles.yml).

What landing notes changes by the row and must hold wholly or not at all, so it is kept in a DuckDB file in that folder.
A load works on a copy of the file. When it is done its rows and notes are made known to Spark, the notes first, and
then the copy takes the place of the file. A load that ends between these two is repeated by the next one.
"""

import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import uuid4

import sqlglot
from filelock import FileLock, Timeout
from sqlglot import expressions as sql

from greenery_assets.settings import SparkAddress, schemas
from greenery_assets.warehouse import duckdb
from greenery_assets.warehouse.errors import (
    StatementError,
    WarehouseBusyError,
    WarehouseCorruptError,
    WarehouseError,
    WarehouseMissingError,
)
from greenery_assets.warehouse.spark_server import Server, connect, in_spark

__all__ = ["Session", "connect", "held", "open_for_reading", "spare_name", "transaction"]

_FORMAT, _NO_SUCH_FORMAT = "iceberg", "42K02"
# Notes of landing, kept in the file; Spark is shown them.
_NOTES = (
    *(f"landing.{name}" for name in ("days", "files", "source", "arrivals")),
    *(f"quality.{name}" for name in ("rejected_rows", "extra_columns")),
)
# Notes of dbt, kept in Spark; a load is shown them.
_OF_DBT = tuple(f"landing.{name}" for name in ("complete_runs", "dbt_runs", "broken_guards"))
# Of no use to a load, which would have to fetch all of it.
_DURATIONS = "quality.durations"
# By the types of DuckDB; others have the same name. Ids are text.
_TYPES = {"UUID": "string", "VARCHAR": "string"}
# In which part of the folder the rows of a source file are, and the id that a folder and its server share.
_OWN = (
    "create schema if not exists landing; "
    "create table if not exists landing.parts (path varchar primary key, part varchar); "
    "create table if not exists landing.warehouse as select replace(cast(uuid() as varchar), '-', '') as id"
)
_FILE, _PART = "_landing_file", "landing_part"


class Session:
    """An open warehouse: the notes of landing in a DuckDB file, everything else in Spark."""

    def __init__(self, address: SparkAddress, notes: duckdb.DuckDB, *, is_written: bool) -> None:
        self.address, self.notes, self.is_written = address, notes, is_written
        self.server = Server(address)
        self.is_changed = False
        # Parts of the folder that somebody reads, or may be reading.
        self.needed: set[Path] = set()

    def execute(self, query: str, parameters: Sequence[object] = (), /) -> Any:
        """Run a query, each `?` in it a parameter. While a load goes on it sees, and changes, the notes alone."""
        if self.is_written:
            return self.notes.execute(query, list(parameters))
        tree = sqlglot.parse_one(query, read="duckdb")
        named = {f"{table.db}.{table.name}" for table in tree.find_all(sql.Table) if table.db}
        if named and named <= {*_NOTES}:
            return self.notes.execute(query, list(parameters))
        return self.server.rows(in_spark(tree, parameters))

    def tables(self, schema: str) -> set[str]:
        """The names of a schema's tables and views."""
        kept = {name.partition(".")[2] for name in _NOTES if name.startswith(f"{schema}.")}
        known = self.notes.execute(
            "select table_name from information_schema.tables where table_schema = ?", [schema]
        ).fetchall()
        found = {name for (name,) in known if self.is_written or name in kept}
        return found if self.is_written else found | (self.server.tables(schema) - kept)

    def append(self, relation: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a relation of the notes."""
        self.is_changed = True
        duckdb.append(self.notes, relation, [list(column) for column in zip(*rows, strict=True)])

    def take_over(self, typed: duckdb.DuckDB, table: str) -> None:
        """Move the rows of a table in DuckDB into the folder: a part for each file, which Spark does not see yet."""
        self.is_changed = True
        columns = typed.execute(f"describe {table}").fetchall()
        kept = ", ".join(_kept(name, kind) for name, kind, *_ in columns)
        files = typed.execute(f"select distinct {_FILE} from {table}").fetchall()
        parts = [(path, uuid4().hex) for (path,) in files]
        if parts:
            typed.execute(f"create or replace temp table parts ({_FILE} varchar, {_PART} varchar)")
            typed.executemany("insert into parts values (?, ?)", parts)
            self.notes.executemany("insert or replace into landing.parts values (?, ?)", parts)
            folder = self.address.folder / "rows" / _name(table)
            folder.mkdir(parents=True, exist_ok=True)
            typed.execute(
                f"copy (select {kept}, {_PART} from {table} join parts using ({_FILE})) to "
                f"'{_escaped(folder)}' (format parquet, partition_by ({_PART}), overwrite_or_ignore true)"
            )
        typed.execute(f"truncate {table}")

    def publish(self) -> None:
        """Make the rows and notes of a load known to Spark: notes first, as they say which days to rebuild.

        Raises WarehouseError where the folder lacks rows: to Spark these would be tables without rows.
        """
        folders = self._folders()
        if missing := sorted(folder for folder in folders if not folder.exists()):
            raise WarehouseError(
                f"The folder {self.address.folder} of the warehouse {self.address} lacks rows that were loaded "
                f"({missing[0]}{f' and {len(missing) - 1:,} more' * (len(missing) > 1)}), so nothing was changed: put "
                "them back from a backup, or load all files again with make run ARGS=--full-refresh."
            )
        self.needed |= folders
        for schema in sorted(schemas()):
            self.server.run(f"create schema if not exists {schema}")
        there = {f"{schema}.{name}" for schema in ("landing", "quality", "raw") for name in self.server.tables(schema)}
        for name in (*_OF_DBT, _DURATIONS):
            if name not in there:
                self._make(name)
        [(ours,)] = self.notes.execute("select id from landing.warehouse").fetchall()
        if self._id_of_server(there) != ours:
            self.server.run(f"create or replace table landing.warehouse using {_FORMAT} as select '{ours}' as id")
        with TemporaryDirectory(dir=self.address.folder, prefix="notes_") as folder:
            # The server may be another user.
            Path(folder).chmod(0o755)
            for name in _NOTES:
                self._publish_notes(name, Path(folder, f"{_name(name)}.parquet"), is_there=name in there)
        for name in sorted(name for name in self.tables("landing") if name.endswith("_rows")):
            self._publish_rows(name.removesuffix("_rows"), there)

    def _id_of_server(self, there: Collection[str]) -> str | None:
        found = self.server.rows("select id from landing.warehouse").rows if "landing.warehouse" in there else []
        return str(found[0][0]) if found else None

    def _publish_notes(self, name: str, file: Path, *, is_there: bool) -> None:
        columns = self.notes.execute(f"describe {name}").fetchall()
        if is_there and self._columns(name) != [(column, _type(kind)) for column, kind, *_ in columns]:
            self.server.run(f"drop table {name}")
            is_there = False
        if not is_there:
            self._make(name)
        listed = ", ".join(f"{_kept(column, kind)}" for column, kind, *_ in columns)
        self.notes.execute(f"copy (select {listed} from {name}) to '{file}' (format parquet)")
        self.server.run(f"insert overwrite {name} select * from parquet.`file:{file}`")

    def _make(self, name: str) -> None:
        columns = self.notes.execute(f"describe {name}").fetchall()
        listed = ", ".join(f"{column} {_type(kind)}" for column, kind, *_ in columns)
        try:
            self.server.run(f"create table {name} ({listed}) using {_FORMAT}")
        except StatementError as error:
            if error.pgcode != _NO_SUCH_FORMAT:
                raise
            raise _lacks_iceberg(self.address) from None

    def _publish_rows(self, table: str, there: set[str]) -> None:
        landed, folder = f"landing.{table}_rows", self._folder(table)
        columns = [(name, _type(kind)) for name, kind, *_ in self.notes.execute(f"describe {landed}").fetchall()]
        shown = ", ".join(f"`{name}`" for name, _ in columns if not name.startswith("_landing"))
        by_file = f"landing.{table}_by_file"
        views = {
            by_file: f"select {shown}, {_FILE} as landing_file from {landed}",
            f"raw.{table}": f"select {shown} from {by_file}",
        }
        known = set()
        if landed in there and self._is_as_noted(landed, columns, folder):
            known = {name.partition("=")[2] for (name,) in self.server.rows(f"show partitions {landed}").rows}
        else:
            # Views first: what a load that is killed here leaves out is made by the next one. Spark forgets the table
            # alone; the rows stay in the folder.
            for view in views:
                self.server.run(f"drop view if exists {view}")
            self.server.run(f"drop table if exists {landed}")
            listed = ", ".join(f"`{name}` {kind}" for name, kind in columns)
            self.server.run(
                f"create table {landed} ({listed}, {_PART} string) using parquet partitioned by ({_PART}) "
                f"location 'file:{_escaped(folder)}'"
            )
            there = there - views.keys()
        wanted = self._parts(table)
        changes = (("add if not exists", wanted.keys() - known), ("drop if exists", known - wanted.keys()))
        for verb, parts in changes:
            if parts:
                between = " " if verb.startswith("add") else ", "
                listed = between.join(f"partition ({_PART} = '{part}')" for part in sorted(parts))
                self.server.run(f"alter table {landed} {verb} {listed}")
        for view, query in views.items():
            if view not in there:
                self.server.run(f"create view {view} as {query}")
        if wanted.keys() != known:
            noted, [(found,)] = sum(wanted.values()), self.server.rows(f"select count(*) from {landed}").rows
            if found != noted:
                raise WarehouseError(
                    f"Spark finds {found:,} rows of {table} in {folder}, where {noted:,} were loaded: a file there is "
                    "not whole, or another one lies beside it. Load all files again with make run ARGS=--full-refresh."
                )

    def _is_as_noted(self, landed: str, columns: list[tuple[str, str]], folder: Path) -> bool:
        """Whether a table of rows in Spark has these columns, and its rows in this folder."""
        described = {name: value for name, value, *_ in self.server.rows(f"describe table extended {landed}").rows}
        is_here = re.sub("^file:/+", "/", described.get("Location", "")) == str(folder)
        return is_here and [column for column in self._columns(landed) if column[0] != _PART] == columns

    def _columns(self, table: str) -> list[tuple[str, str]]:
        found = []
        for name, kind, *_ in self.server.rows(f"describe table {table}").rows:
            if name.startswith("#"):  # what follows says how it is kept
                break
            found.append((name, kind))
        return found

    def _parts(self, table: str) -> dict[str, int]:
        """The parts that hold the rows of a table's files, and how many each has."""
        found = self.notes.execute(
            "select part, arg_max(row_count, load_id) as row_count from landing.parts "
            "join landing.files as file using (path) where source_table = ? "
            "group by part having not arg_max(is_removed, load_id) and arg_max(row_count, load_id) > 0",
            [table],
        )
        return dict(found.fetchall())

    def _folder(self, table: str) -> Path:
        # As Spark has it.
        return Path(os.path.normpath(self.address.folder / "rows" / f"{table}_rows"))

    def _folders(self) -> set[Path]:
        """The parts of the folder with the rows of all files that are in the warehouse, by its notes."""
        tables = [name.removesuffix("_rows") for name in self.tables("landing") if name.endswith("_rows")]
        return {self._folder(table) / f"{_PART}={part}" for table in tables for part in self._parts(table)}

    def begin(self, *, is_new: bool) -> None:
        """Take in what dbt noted. Raises WarehouseError over tables of somebody else."""
        there = {schema: self.server.tables(schema) for schema in sorted(schemas())}
        if is_new:
            if found := [f"{schema}.{name}" for schema, names in there.items() for name in sorted(names)]:
                names = ", ".join(found[:3]) + (f" and {len(found) - 3} more" * (len(found) > 3))
                raise WarehouseError(
                    f"The server of the warehouse {self.address} holds tables in schemas that this project would use "
                    f"({names}), and GREENERY_SPARK_FOLDER has no notes of them. Nothing was changed: name the folder "
                    "in which they were made, or give this project a server, or a catalog, of its own. If the folder "
                    "is lost, see docs/runbook.md, Spark does not serve."
                )
            return
        if "arrivals" in self.tables("landing"):  # a load has come to its end
            [(ours,)] = self.notes.execute("select id from landing.warehouse").fetchall()
            if self._id_of_server({f"landing.{name}" for name in there["landing"]}) != ours:
                raise WarehouseError(
                    f"The folder {self.address.folder} does not belong to the warehouse {self.address}, or that server "
                    "has lost its tables. Nothing was changed: name the server, or the folder, that belongs to it. To "
                    "begin a new warehouse, name an empty folder in GREENERY_SPARK_FOLDER."
                )
        self.needed = self._folders()
        for name in [name for name in _OF_DBT if _name(name) in self.tables("landing")]:
            self.notes.execute(f"delete from {name}")
            if _name(name) in there["landing"]:
                columns = ", ".join(column for column, *_ in self.notes.execute(f"describe {name}").fetchall())
                if rows := self.server.rows(f"select {columns} from {name}").rows:
                    duckdb.append(self.notes, name, [list(column) for column in zip(*rows, strict=True)])
        if "arrivals" in self.tables("landing") and self._has_seen_a_load_that_did_not_end():
            # It may have had days that no file has any more: nothing that was built counts.
            for run in (self.server.run, self.notes.execute):
                run("delete from landing.complete_runs")

    def _has_seen_a_load_that_did_not_end(self) -> bool:
        [(seen,)] = self.notes.execute(
            "select coalesce(max(load_id), 0) > (select max(load_id) from landing.arrivals) from landing.complete_runs"
        ).fetchall()
        return bool(seen)

    def remove_what_nobody_needs(self) -> None:
        """Remove what an earlier load replaced or left; what this one replaced, somebody may be reading."""
        for folder in (*self.address.folder.glob("notes_*"), *self.address.folder.glob("rows/*/*")):
            if Path(os.path.normpath(folder)) not in self.needed:
                shutil.rmtree(folder, ignore_errors=True)

    def drop(self) -> None:
        """Drop all tables in Spark; their rows stay in the folder until the load is done."""
        for schema in sorted(schemas()):
            self.server.run(f"drop schema if exists {schema} cascade")

    def close(self) -> None:
        """Close it."""
        self.server.close()
        self.notes.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_for_reading(address: SparkAddress) -> Session:
    """Open the warehouse for reading only; it keeps nobody from writing.

    Raises WarehouseMissingError where nothing was loaded yet, else as `transaction`.
    """
    with _worded(address):
        if not address.notes.exists():
            raise WarehouseMissingError(f"The warehouse {address} has no tables yet; make them with make run.")
        return Session(address, duckdb.open_for_reading(address.notes), is_written=False)


@contextmanager
def transaction(address: SparkAddress, set_aside: str | None = None) -> Iterator[Session]:
    """The warehouse, for writing; of what landing does within, all holds or nothing.

    With `set_aside`, which is for sample data alone, its tables go, and its notes get that name. Raises
    WarehouseBusyError while another run is at work, and WarehouseError where the server or the folder cannot be used,
    or the server holds somebody else's tables in our schemas.
    """
    with held(address), _worded(address):
        work, notes = address.folder / "unfinished.duckdb", address.notes
        for path in (work, work.with_name(f"{work.name}.wal")):
            path.unlink(missing_ok=True)
        if set_aside is None and notes.exists():
            shutil.copy(notes, work)
        with duckdb.transaction(work) as connection:
            session = Session(address, connection, is_written=True)
            with closing(session.server):
                connection.execute(_OWN)
                if set_aside is None:
                    session.begin(is_new=not notes.exists())
                yield session
                if session.is_changed:
                    if not notes.exists():
                        # So that what is made in Spark is known for ours, should this load not come to its end.
                        with duckdb.transaction(notes) as empty:
                            empty.execute(_OWN)
                    if set_aside is not None:
                        session.drop()
                    session.publish()
        if work.with_name(f"{work.name}.wal").exists():
            raise WarehouseError(
                f"What was loaded into the warehouse {address} could not be noted in {work}, mostly because the disk "
                "is full: make room, and run again."
            )
        if session.is_changed:
            if set_aside is not None:
                # Never without notes: the tables would be taken for somebody else's.
                shutil.copy(notes, notes.with_name(f"{set_aside}.duckdb"))
            work.rename(notes)
            session.remove_what_nobody_needs()
        work.unlink(missing_ok=True)


@contextmanager
def held(address: SparkAddress) -> Iterator[None]:
    """Keep other runs out. Raises WarehouseBusyError while one is at work, WarehouseError over a folder of no use."""
    lock = FileLock(address.folder / "lock", timeout=0)
    try:
        with _worded(address):
            address.folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout:
        raise WarehouseBusyError(
            f"Another run is at work in the warehouse {address}, so this one changed nothing; wait until that is done, "
            "and run again."
        ) from None
    except NotImplementedError:  # raised by filelock where the file system cannot lock
        raise _of_no_use(address, "its file system has no locks") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _worded(address: SparkAddress) -> Iterator[None]:
    """Turns what is wrong with the folder into our errors."""
    try:
        yield
    except Timeout:
        raise
    except WarehouseCorruptError:
        raise WarehouseCorruptError(
            f"{address.notes} of the warehouse {address} is damaged: put the file of a backup in its place. Without "
            "one see docs/runbook.md, Spark does not serve."
        ) from None
    except OSError as error:
        path = Path(str(error.filename or address.folder))
        if not (path.is_relative_to(address.folder) or address.folder.is_relative_to(path)):
            raise  # of a file elsewhere, which the load was at work on
        raise _of_no_use(address, str(error.strerror)) from None


def _of_no_use(address: SparkAddress, why: str) -> WarehouseError:
    return WarehouseError(
        f"The folder {address.folder} of the warehouse {address} cannot be used ({why}); make it a folder that may be "
        "written here and by the cluster, or name another one in GREENERY_SPARK_FOLDER."
    )


def spare_name(address: SparkAddress, what: str) -> str:
    """How the notes of the present warehouse can be called. Raises WarehouseError where its tables would be lost."""
    if what.startswith("sample"):
        return what
    raise WarehouseError(
        f"The warehouse {address} holds the history of a shop. Tables of Spark cannot be put aside for another source, "
        "so nothing was changed: give the new source a server of its own, and a folder in GREENERY_SPARK_FOLDER."
    )


def _lacks_iceberg(address: SparkAddress) -> WarehouseError:
    return WarehouseError(
        f"The server of the warehouse {address} has no Iceberg, in which the tables are kept: start it as "
        "docs/engines.md says."
    )


def _kept(column: str, kind: str) -> str:
    """SQL of a column as Parquet keeps it for Spark: ids as DuckDB writes them, moments with their zone."""
    other = {"UUID": "varchar", "TIMESTAMP": "timestamptz"}.get(kind)
    return f"cast({_quoted(column)} as {other}) as {_quoted(column)}" if other else _quoted(column)


def _type(of_duckdb: str) -> str:
    return _TYPES.get(of_duckdb, of_duckdb.lower())


def _name(relation: str) -> str:
    """The name of a relation without its schema."""
    return relation.partition(".")[2].strip('"')


def _quoted(name: str) -> str:
    return f'"{name}"'


def _escaped(path: Path) -> str:
    return str(path).replace("'", "''")
