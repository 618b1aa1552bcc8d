"""The tables of the alert ledger, bringing a database to them, and what is wrong with one, in words, by its error code.

What is written in the tables is the business of ledger.
"""

import socket
import sqlite3
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, exc
from sqlalchemy.types import TypeEngine

from greenery_assets.alerts.project import AlertsError, Project

LONGEST_KNOCK_S = 2
POSTGRES_PORT = 5432

_RESTORE = (
    "Put a backup in its place, or move it away: the alerts then begin again with one summary of what fails, and what "
    "waited to be sent is lost"
)
_WHO = "Correct user, password and database in {setting}"
_START = "Start the server, or correct host and port in {setting}"
_LOCKED = "another program has it locked"

SQLITE: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (_LOCKED, "Close the program that has it open, such as a database browser, and run again"),
    sqlite3.SQLITE_FULL: ("its disk is full", "Free some space there"),
    sqlite3.SQLITE_READONLY: ("this user may not write it", "Let this user write the file and its folder"),
    sqlite3.SQLITE_CANTOPEN: ("this user may not open it", "Let this user read and write the file and its folder"),
    sqlite3.SQLITE_IOERR: ("its disk cannot be read or written", "Look whether the disk is full, failing or gone"),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("it is damaged, or no SQLite database", _RESTORE),
}
# By SQLSTATE, or by its class: the first two characters.
POSTGRES: Mapping[str, tuple[str, str]] = {
    "28": ("the server refuses the login", _WHO),
    "3D": ("the database does not exist", f"{_WHO}, or create it"),
    "08": ("the connection broke", _START),
    "53100": ("the server's disk is full", "Free some space there"),
    "53": ("the server has no room for more connections", "Wait, or raise its limit"),
    "57P": ("the server is starting or stopping", "Wait until it is there again"),
    "55": (_LOCKED, "End the session that holds the lock, and run again"),
    "40": (_LOCKED, "Run again"),
    "25006": ("the server takes no writes", "Name a server that is no standby in {setting}"),
    "42501": (
        "this user may not use its schema",
        "Have the database's owner run: create schema {schema} authorization {user}; or let this user use it",
    ),
    "42P01": ("some of its tables are gone", "Restore the schema {schema} from a backup, or drop it"),
    "58": ("the server cannot read or write its disk", "Look at the server's log"),
    "XX": ("it is damaged", "Look at the server's log, and restore the schema {schema} from a backup"),
}


def _code_of(error: BaseException) -> int | str:
    """The database's code for an error: SQLite's number or an SQLSTATE; empty where there is neither."""
    cause = getattr(error, "orig", None) or error
    number = getattr(cause, "sqlite_errorcode", None)
    # The lowest byte is the kind, the rest its variety.
    return number & 0xFF if number is not None else str(getattr(cause, "pgcode", None) or "")


def _known(code: int | str) -> tuple[str, str] | None:
    """The cause and the remedy, of those faults that have words."""
    if isinstance(code, int):
        return SQLITE.get(code)
    return POSTGRES.get(code) or POSTGRES.get(code[:3]) or POSTGRES.get(code[:2])


def in_words(error: exc.SQLAlchemyError, address: sa.URL, project: Project) -> str:
    """The cause and the remedy, as two sentences."""
    code, file = _code_of(error), Path(address.database or "")
    found = POSTGRES["08"] if getattr(error, "connection_invalidated", False) else _known(code)
    if code == sqlite3.SQLITE_CANTOPEN and file.is_dir():
        found = "it is a folder", "Move the folder away, or name a file in {setting}"
    elif code == sqlite3.SQLITE_CANTOPEN and not file.parent.is_dir():
        found = "its folder does not exist", "Make the folder, or name another file in {setting}"
    elif not found and not code and address.get_backend_name() == "postgresql":
        found = _not_connected(address)
    elif not found:
        name = getattr(getattr(error, "orig", None), "sqlite_errorname", None) or code or type(error).__name__
        found = f"the database reports {name}", "Look at the database, or name another one in {setting}"
    cause, remedy = found
    names = {"user": address.username or "this_user", "setting": _setting(project), "schema": project.schema}
    return f"{cause}. {remedy.format(**names)}."


def _not_connected(address: sa.URL) -> tuple[str, str]:
    """Why there is no connection: of that PostgreSQL's client gives no code."""
    if address.host and not address.host.startswith("/"):
        try:
            socket.create_connection((address.host, address.port or POSTGRES_PORT), LONGEST_KNOCK_S).close()
        except OSError as error:
            return f"no server answers there ({error.strerror or type(error).__name__})", _START
        return "the server refuses the login", _WHO
    return "the server does not answer, or refuses the login", f"{_START}, user and password"


MIGRATIONS = Path(__file__).parent / "migrations"
LONGEST_WAIT_S = 20
SQLITE_BEGIN = "sqlite_begin"
# Any number that nothing else locks in the same PostgreSQL database.
UPGRADE_LOCK = 7_300_526_011
# The first migration there is, and the one revision before it that a ledger may still have.
START, BEFORE_THE_START = "0002", "0001"
# Revisions of a ledger that lies in no schema of its own yet.
WITHOUT_SCHEMA = (BEFORE_THE_START, START)


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A time in UTC: aware in Python, naive in the database, as SQLite knows no zones."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        return value.replace(tzinfo=UTC) if value else None


def _key(of: type[TypeEngine[Any]], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, of, primary_key=True, autoincrement=False) for name in names]


def _given(of: type[TypeEngine[Any]], *names: str, **more: Any) -> list[sa.Column[Any]]:
    return [sa.Column(name, of, nullable=False, **more) for name in names]


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


SUBJECT = ("asset", "name", "partition")
metadata = sa.MetaData()
progress = sa.Table("progress", metadata, *_key(sa.String, "name"), *_given(sa.String, "value"))
runs = sa.Table(
    "runs",
    metadata,
    *_key(sa.BigInteger, "end_id"),
    *_given(sa.String, "run_id", index=True),
    *_given(sa.String, "job", "status"),
    *_given(UtcDateTime, "started_at"),
    *_given(UtcDateTime, "ended_at", index=True),
)
observations = sa.Table(
    "observations",
    metadata,
    *_key(sa.BigInteger, "end_id"),
    *_key(sa.String, *SUBJECT),
    *_given(sa.String, "outcome", "severity"),
    *_given(sa.BigInteger, "failing_rows"),
)
tracks = sa.Table(
    "tracks", metadata, *_key(sa.String, *SUBJECT), *_given(sa.String, "evaluations", "outcome", "severity", default="")
)
incidents = sa.Table(
    "incidents",
    metadata,
    _number(),
    *_given(sa.String, *SUBJECT),
    *_given(sa.Integer, "episode"),
    *_given(sa.Boolean, "is_open", index=True),
    *_given(sa.Boolean, "has_old_marts", index=True, server_default=sa.false()),
    *_given(sa.Text, "body"),
    sa.UniqueConstraint(*SUBJECT, "episode"),
)
threads = sa.Table(
    "threads",
    metadata,
    *_key(sa.String, "root"),
    sa.Column("incident_id", sa.Integer, primary_key=True, autoincrement=False, index=True),
    *_given(sa.String, "form"),
)
outbox = sa.Table(
    "outbox",
    metadata,
    _number(),
    *_given(sa.String, "delivery_id", unique=True),
    *_given(sa.String, "channel"),
    sa.Column("root", sa.String),
    sa.Column("edits", sa.String, index=True),
    *_given(sa.Boolean, "is_broadcast", "is_plain", default=False),
    *_given(sa.Text, "text", "blocks"),
    *_given(sa.Text, "last_error", default=""),
    *_given(UtcDateTime, "created_at"),
    *_given(sa.String, "state", index=True, default="pending"),
    *_given(sa.Integer, "attempts", default=0),
    *(sa.Column(name, UtcDateTime) for name in ("about_run_ended_at", "not_before", "sent_at")),
    *(sa.Column(name, sa.String) for name in ("slack_channel", "slack_ts")),
)
digests = sa.Table(
    "digests", metadata, *_key(sa.String, "day"), *_given(sa.String, "delivery_id"), *_given(sa.Text, "content")
)
silences = sa.Table(
    "silences",
    metadata,
    _number(),
    *_given(sa.String, "asset", "check", "reason"),
    *_given(UtcDateTime, "until"),
)


class LedgerError(AlertsError):
    """The ledger cannot be used; the text says which, why, and what to do."""


def open_engine(project: Project) -> sa.Engine:
    """The ledger's database with today's tables, made or upgraded as needed.

    In PostgreSQL they have a schema of their own: Dagster's storage has tables of the same names, and may share the
    database. SQLite has no schemas, and the ledger a file of its own.

    Raises LedgerError, naming no password, and so does whatever is done with it later where the database fails.
    """
    engine, shown = _engine(project)
    schema = project.schema
    address = engine.url
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "begin", partial(_begin_postgres, schema=schema))
    try:
        with engine.connect() as connection:
            is_current = _is_current(connection, project, shown)
            if is_current and engine.dialect.name == "postgresql":
                _refuse_a_second(connection, project, shown)
        if not is_current:
            # SQLite would refuse at once, rather than wait, who reads first and then writes beside another.
            with engine.execution_options(**{SQLITE_BEGIN: "begin immediate"}).begin() as connection:
                _upgrade(connection, project, shown)
    except exc.SQLAlchemyError as error:
        engine.dispose()
        raise LedgerError(f"The alert ledger {shown} cannot be opened: {in_words(error, address, project)}") from None

    def raise_in_words(context: sa.ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        is_ours = isinstance(error, exc.IntegrityError | exc.DataError | exc.ProgrammingError | exc.NotSupportedError)
        if isinstance(error, exc.DBAPIError) and (not is_ours or _known(_code_of(error))):
            raise LedgerError(f"The alert ledger {shown} cannot be used: {in_words(error, address, project)}")

    event.listen(engine, "handle_error", raise_in_words)
    return engine


def _engine(project: Project) -> tuple[sa.Engine, str]:
    """The engine, and how people are shown where it is: the file, or the address without the password."""
    try:
        address = sa.make_url(project.ledger_url)
        # Parts of a password that was not escaped are taken for the host or the port, and would be shown.
        if "@" in (address.host or ""):
            raise ValueError
        # A password may stand in the query too.
        shown = address.set(query={}).render_as_string(hide_password=True)
        if address.get_backend_name() == "sqlite" and address.database:
            shown = address.database
        # Message bodies are parameters, and errors are logged.
        return sa.create_engine(address, hide_parameters=True), shown
    except ValueError:
        reason = "its port is no number, or its password holds a character to be written otherwise: @ as %40, / as %2F"
    except (exc.ArgumentError, exc.NoSuchModuleError, ModuleNotFoundError) as error:
        reason = str(error)
    raise LedgerError(
        f"{_setting(project)} is no database URL that can be used here ({reason}). For PostgreSQL write "
        "postgresql+psycopg2://user:password@host/database; its driver comes with pip install '.[postgres]'."
    )


def _is_current(connection: sa.Connection, project: Project, shown: str) -> bool:
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory(str(MIGRATIONS))
    if current == scripts.get_current_head():
        return True
    if current not in {None, BEFORE_THE_START, *(script.revision for script in scripts.walk_revisions())}:
        raise LedgerError(
            f"The alert ledger {shown} was written by a newer version of this project (schema {current}). "
            f"Update the project, or name another ledger in {_setting(project)}."
        )
    return False


def _upgrade(connection: sa.Connection, project: Project, shown: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({UPGRADE_LOCK})")
        _make_schema(connection, project, shown)
    # Another process may have done it while this one waited.
    if _is_current(connection, project, shown):
        return
    do = connection.exec_driver_sql
    config = Config()
    # A % would be taken for an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        metadata.create_all(connection)
        command.stamp(config, "head")
        return
    if revision == BEFORE_THE_START:
        do("alter table incidents add column has_old_marts boolean default false not null")
        do("create index ix_incidents_has_old_marts on incidents (has_old_marts)")
        do(f"update alembic_version set version_num = '{START}'")
    command.upgrade(config, "head")


def _make_schema(connection: sa.Connection, project: Project, shown: str) -> None:
    """Make the schema where it is not there, and move a ledger of before there was one into it."""
    do, schema = connection.exec_driver_sql, project.schema
    if do(f"select to_regclass('{schema}.alembic_version')").scalar():
        _refuse_a_second(connection, project, shown)
        return
    # Who may not make one can have it made by the owner of the database.
    if not do(f"select to_regnamespace('{schema}')").scalar():
        do(f"create schema {schema}")
    if revisions := _revisions_without_schema(connection, schema):
        for table in metadata.sorted_tables:
            do(f"alter table {table.name} set schema {schema}")
        # Dagster may have written a version of its own into the table of versions, and needs it.
        do(f"create table {schema}.alembic_version (like alembic_version including all)")
        for revision in revisions:
            do(f"insert into {schema}.alembic_version values ('{revision}')")
            do(f"delete from alembic_version where version_num = '{revision}'")
        if not do("select count(*) from alembic_version").scalar():
            do("drop table alembic_version")
    _begin_postgres(connection, schema)


def _refuse_a_second(connection: sa.Connection, project: Project, shown: str) -> None:
    """Raise LedgerError if one was moved into the schema, and an older one that a search path kept apart is left."""
    if _revisions_without_schema(connection, project.schema):
        place = connection.exec_driver_sql(
            "select relnamespace::regnamespace from pg_class where oid = to_regclass('incidents')"
        ).scalar()
        raise LedgerError(
            f"The alert ledger {shown} cannot be opened: its database holds two, one in the schema {project.schema} "
            f"and one of an older version in {place}. Name another database for one of them in {_setting(project)}."
        )
    _begin_postgres(connection, project.schema)


def _revisions_without_schema(connection: sa.Connection, schema: str) -> Sequence[str]:
    """The revisions of a ledger of before there was a schema, none where there is none; leaves its search path."""
    do = connection.exec_driver_sql
    # The way by which an older version found its tables: to public, unless the database or its address says otherwise.
    do("set local search_path to default")
    names = ["alembic_version", *(table.name for table in metadata.sorted_tables)]
    # A search path may lead to the schema itself.
    ours = f"select to_regclass('incidents') is not distinct from to_regclass('{schema}.incidents')"
    if do(ours).scalar() or not all(do(f"select to_regclass('{name}')").scalar() for name in names):
        return []
    versions: Sequence[str] = do("select version_num from alembic_version").scalars().all()
    return [version for version in versions if version in WITHOUT_SCHEMA]


def _begin_postgres(connection: sa.Connection, schema: str) -> None:
    # For each transaction: who shares a connection through a pooler must not find it changed.
    connection.exec_driver_sql(f"set local search_path to {schema}")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver would begin transactions by itself, but none for tables: a ledger half made would stay so.
    connection.isolation_level = None
    connection.execute(f"pragma busy_timeout={LONGEST_WAIT_S * 1000}")
    gives_up_at = time.monotonic() + LONGEST_WAIT_S
    while True:
        try:
            # Readers (the command line, a check) then never wait for the sensor.
            connection.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError as error:
            # The timeout does not hold for this: who is second to turn a new file to it is refused at once.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > gives_up_at:
                raise
            time.sleep(0.01)


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(SQLITE_BEGIN, "begin"))


def _setting(project: Project) -> str:
    return project.setting("ALERTS_LEDGER")
