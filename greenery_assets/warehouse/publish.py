"""The DuckDB file that people open: a copy of the tables that passed their checks, put in place by renaming.

Here: what is copied from the file in which runs work, and from where a table that is held back is taken. No run needs
the published file while it works, and no reader needs the other one, so neither waits. Not here: which tables passed
(dbt/publishing.py).
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from greenery_assets.warehouse import duckdb as file
from greenery_assets.warehouse.copies import copy_file
from greenery_assets.warehouse.loads import DURATIONS

# Clients from DuckDB 1.2 on open it: DBeaver, Metabase and notebooks bundle older ones than ours.
OLDEST_CLIENT = "v1.2.0"
TABLES, SOURCE = "quality.tables", "quality.source"
# All of it is history: the source has only the present.
HISTORY = "snapshots."
_NEVER = (None,) * 8


@dataclass(frozen=True)
class Found:
    """What a run found of a table that it was to build.

    `held_back_by` says why it cannot be published; None where it can. `checks` were evaluated (None: not counted),
    `errors` and `warnings` name those that failed.
    """

    held_back_by: str | None
    checks: int | None
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """What a table is, and each of its columns, in words."""

    table: str
    columns: Mapping[str, str]


def publish(
    working: Path,
    published: Path,
    found: Mapping[str, Found],
    described: Mapping[str, Description],
    *,
    run_id: str,
    at: datetime,
    memory_limit: str = "80%",
) -> None:
    """Puts a new file in the place of `published`, at once and whole; who has the old one open goes on reading that.

    It has the tables and views that are `described` (by name: 'core.dim_users'). One of `found` that is not held back
    is copied from `working`, the file in which runs work; any other is as it was published before, and is not there if
    it never was. quality.tables has one row for each table: table_schema, table_name, row_count, built_at (UTC) and
    run_id (of the run that built it), held_back_since (UTC; null where it is not) and held_back_by (why), checks (how
    many the last run evaluated), failed_errors and failed_warnings (their names, comma separated). quality.source has
    one row: kind and folder of the source, published_at (UTC). quality.durations is as dbt noted it. Raises
    WarehouseError.
    """
    new, before = (published.with_name(f"{published.name}.{what}") for what in ("unfinished", "before"))
    with _cleared(new, before), file.worded(published), file.scratch(memory_limit=memory_limit) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach {_text(working)} as working (read_only)")
        connection.execute(f"attach {_text(new)} as published (storage_version '{OLDEST_CLIENT}')")
        fresh = {name for name, about in found.items() if about.held_back_by is None}
        kept = set()
        if described.keys() - fresh and published.exists():
            # A client may have it open for writing: then nobody else could.
            copy_file(published, before)
            connection.execute(f"attach {_text(before)} as before (read_only)")
            # A file of a release that published none has the record of the loader.
            filled_by = _source(connection, "before", SOURCE) or _source(connection, "before", "landing.source")
            if _source(connection, "working", "landing.source")[:1] == filled_by[:1]:
                kept = described.keys() - fresh
        connection.execute("use published; begin; create schema quality")
        for schema in sorted({name.partition(".")[0] for name in described}):
            connection.execute(f"create schema {schema}")
        for place, names in (("working", fresh & described.keys()), ("before", kept)):
            there = _relations(connection, place)
            # Views of staging follow what they are of, in schema raw.
            for name in sorted(names & there.keys()):
                view = None if name.startswith("raw.") else there[name]
                connection.execute(view or f"create table {name} as from {place}.{name}")
        if _has(connection, DURATIONS, "working"):
            connection.execute(f"create table {DURATIONS} as from working.{DURATIONS}")
        _note(connection, found, run_id, at)
        _describe(connection, described)
        connection.execute("commit; use memory; detach published")
        _put_in_place(new, published)


def begin_again(working: Path, published: Path) -> None:
    """Begins the file in which runs work, where it is lost, with what cannot be loaded again from the source.

    That is schema snapshots, which source it is of, and how long runs took. A file of a release that had no other one
    becomes the one in which runs work. Does nothing where `working` is there, or nothing was published. Raises
    WarehouseError.
    """
    if working.exists() or not published.exists():
        return
    begun, before = (working.with_name(f"{working.name}.{what}") for what in ("unfinished", "before"))
    with _cleared(begun, before), file.worded(published):
        # A client may have it open for writing: then nobody else could.
        copy_file(published, before)
        with duckdb.connect(before) as connection:
            is_published = _has(connection, SOURCE)
        if not is_published:
            before.rename(working)
            return
        with duckdb.connect(begun) as connection:
            connection.execute(f"attach {_text(before)} as before (read_only)")
            connection.execute("create schema landing; create schema snapshots; create schema quality")
            connection.execute(
                f"create table landing.source as select kind, folder, cast(0 as bigint) as load_id from before.{SOURCE}"
            )
            for name in _relations(connection, "before"):
                if name.startswith(HISTORY) or name == DURATIONS:
                    connection.execute(f"create table {name} as from before.{name}")
        begun.rename(working)


def _note(connection: duckdb.DuckDBPyConnection, found: Mapping[str, Found], run_id: str, at: datetime) -> None:
    """Writes quality.tables and quality.source into the new file."""
    connection.execute(
        f"create table {TABLES} (table_schema varchar, table_name varchar, row_count bigint, built_at timestamp, "
        "run_id varchar, held_back_since timestamp, held_back_by varchar, checks integer, failed_errors varchar, "
        "failed_warnings varchar)"
    )
    before = {}
    if _has(connection, TABLES, "before"):
        rows = connection.execute(f"select * from before.{TABLES}").fetchall()
        before = {f"{schema}.{name}": row for schema, name, *row in rows}
    for name in sorted(_relations(connection, "published").keys() - {TABLES, DURATIONS}):
        schema, table = name.split(".")
        about, (built_at, built_by, since, why, *checked) = found.get(name), before.get(name, _NEVER)[1:]
        if about:
            checked = [about.checks, ", ".join(about.errors) or None, ", ".join(about.warnings) or None]
            why = about.held_back_by
            since = (since or at) if why else None
            if not why:
                built_at, built_by = at, run_id
        connection.execute(
            f"insert into {TABLES} select ?, ?, count(*), {', '.join(['?'] * 7)} from {name}",
            [schema, table, built_at, built_by, since, why, *checked],
        )
    connection.execute(
        f"create table {SOURCE} as select kind, folder, cast(? as timestamp) as published_at "
        "from working.landing.source",
        [at],
    )


def _describe(connection: duckdb.DuckDBPyConnection, described: Mapping[str, Description]) -> None:
    """Gives tables, views and columns their descriptions as comments, which every client shows."""
    there = _relations(connection, "published")
    columns = connection.execute(
        "select concat(schema_name, '.', table_name), column_name from duckdb_columns() "
        "where database_name = 'published'"
    ).fetchall()
    for name in described.keys() & there.keys():
        connection.execute(f"comment on {'view' if there[name] else 'table'} {name} is {_text(described[name].table)}")
    for name, column in columns:
        if name in described and (text := described[name].columns.get(column)):
            connection.execute(f'comment on column {name}."{column}" is {_text(text)}')


def _put_in_place(new: Path, published: Path) -> None:
    with new.open("rb") as written:
        os.fsync(written.fileno())
    if published.exists():
        # Whom somebody has let read it goes on to.
        shutil.copymode(published, new)
    new.replace(published)
    # What a client wrote into the old file is none of the new one's.
    file.wal(published).unlink(missing_ok=True)


@contextmanager
def _cleared(*paths: Path) -> Iterator[None]:
    """Without files of these names, before and after: a run that was killed may have left some."""

    def clear() -> None:
        for path in paths:
            path.unlink(missing_ok=True)
            file.wal(path).unlink(missing_ok=True)

    clear()
    try:
        yield
    finally:
        clear()


def _relations(connection: duckdb.DuckDBPyConnection, place: str) -> dict[str, str | None]:
    """The tables and views of an attached file, each with the SQL that makes it where it is a view."""
    rows = connection.execute(
        "select concat(schema_name, '.', table_name), null from duckdb_tables() where database_name = $place union all "
        "select concat(schema_name, '.', view_name), sql from duckdb_views() where database_name = $place",
        {"place": place},
    ).fetchall()
    return dict(rows)


def _has(connection: duckdb.DuckDBPyConnection, name: str, place: str | None = None) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where database_name = coalesce(?, current_database()) "
        "and concat(schema_name, '.', table_name) = ?",
        [place, name],
    ).fetchone()
    return found is not None


def _source(connection: duckdb.DuckDBPyConnection, place: str, name: str) -> tuple[str, ...]:
    """Kind and folder of the source that filled an attached file; empty where that is not on record."""
    row = _has(connection, name, place) and connection.execute(f"select kind, folder from {place}.{name}").fetchone()
    return tuple(row or ())


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
