"""The tables of the alert ledger, and bringing a database to them. What is written in them is ledger's business."""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    ExceptionContext,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    NotSupportedError,
    ProgrammingError,
    SQLAlchemyError,
)

from greenery_assets.alerts.faults import in_words, is_known

MIGRATIONS = Path(__file__).parent / "migrations"
LONGEST_WAIT_S = 20
SQLITE_BEGIN = "sqlite_begin"
# In PostgreSQL the tables have a schema of their own: Dagster's storage has tables of the same names, and may share the
# database. SQLite has no schemas, and the ledger a file of its own.
SCHEMA = "greenery_alerts"
# Any number that nothing else locks in the same PostgreSQL database.
UPGRADE_LOCK = 7_300_526_011
# Revisions of a ledger that lies in no schema of its own yet.
WITHOUT_SCHEMA = ("0001", "0002")


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC: aware in Python, naive in the database, as SQLite knows no zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC without its zone."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Read it back with the zone."""
        return value.replace(tzinfo=UTC) if value else None


metadata = MetaData()

progress = Table(
    "progress",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("end_id", BigInteger, primary_key=True, autoincrement=False),
    Column("run_id", String, nullable=False, index=True),
    Column("job", String, nullable=False),
    Column("status", String, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime, nullable=False, index=True),
)

observations = Table(
    "observations",
    metadata,
    Column("end_id", BigInteger, primary_key=True, autoincrement=False),
    Column("asset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("partition", String, primary_key=True),
    Column("outcome", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("failing_rows", BigInteger, nullable=False),
)

tracks = Table(
    "tracks",
    metadata,
    Column("asset", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("partition", String, primary_key=True),
    Column("evaluations", String, nullable=False),
    Column("outcome", String, nullable=False),
    Column("severity", String, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset", String, nullable=False),
    Column("name", String, nullable=False),
    Column("partition", String, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("is_open", Boolean, nullable=False, index=True),
    Column("has_old_marts", Boolean, nullable=False, index=True),
    Column("body", Text, nullable=False),
    UniqueConstraint("asset", "name", "partition", "episode"),
)

threads = Table(
    "threads",
    metadata,
    Column("root", String, primary_key=True),
    Column("incident_id", Integer, primary_key=True, autoincrement=False, index=True),
    Column("form", String, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("delivery_id", String, nullable=False, unique=True),
    Column("channel", String, nullable=False),
    Column("root", String, nullable=True),
    Column("edits", String, nullable=True, index=True),
    Column("is_broadcast", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("blocks", Text, nullable=False),
    Column("about_run_ended_at", UtcDateTime, nullable=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("not_before", UtcDateTime, nullable=True),
    Column("is_plain", Boolean, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("sent_at", UtcDateTime, nullable=True),
    Column("slack_channel", String, nullable=True),
    Column("slack_ts", String, nullable=True),
)

digests = Table(
    "digests",
    metadata,
    Column("day", String, primary_key=True),
    Column("delivery_id", String, nullable=False),
    Column("content", Text, nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("asset", String, nullable=False),
    Column("check", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)


class LedgerError(Exception):
    """The ledger cannot be used; the text says which, why, and what to do."""


def open_engine(url: str) -> Engine:
    """A database of today's schema, made or upgraded as needed.

    Raises LedgerError, naming no password, and so does whatever is done with it later where the database fails.
    """
    engine, shown = _engine(url)
    address = engine.url
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    elif engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _begin_postgres)
    try:
        with engine.connect() as connection:
            is_current = _is_current(connection, shown)
            if is_current and engine.dialect.name == "postgresql":
                _refuse_a_second(connection, shown)
        if not is_current:
            # SQLite would refuse at once, rather than wait, who reads first and then writes beside another.
            with engine.execution_options(**{SQLITE_BEGIN: "begin immediate"}).begin() as connection:
                _upgrade(connection, shown)
    except SQLAlchemyError as error:
        engine.dispose()
        raise LedgerError(f"The alert ledger {shown} cannot be opened: {in_words(error, address)}") from None

    def tell_in_words(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        is_ours = isinstance(error, IntegrityError | DataError | ProgrammingError | NotSupportedError)
        if isinstance(error, DBAPIError) and (not is_ours or is_known(error)):
            raise LedgerError(f"The alert ledger {shown} cannot be used: {in_words(error, address)}")

    event.listen(engine, "handle_error", tell_in_words)
    return engine


def _engine(url: str) -> tuple[Engine, str]:
    """The engine, and how people are shown where it is: the file, or the address without the password."""
    try:
        address = make_url(url)
        # Parts of a password that was not escaped are taken for the host or the port, and would be shown.
        if "@" in (address.host or ""):
            raise ValueError
        # A password may stand in the query too.
        shown = address.set(query={}).render_as_string(hide_password=True)
        if address.get_backend_name() == "sqlite" and address.database:
            shown = address.database
        # Message bodies are parameters, and errors are logged.
        return create_engine(address, hide_parameters=True), shown
    except ValueError:
        reason = "its port is no number, or its password holds a character to be written otherwise: @ as %40, / as %2F"
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        reason = str(error)
    raise LedgerError(
        f"GREENERY_ALERTS_LEDGER is no database URL that can be used here ({reason}). For PostgreSQL write "
        "postgresql+psycopg2://user:password@host/database; its driver comes with pip install '.[postgres]'."
    )


def _is_current(connection: Connection, shown: str) -> bool:
    current = MigrationContext.configure(connection).get_current_revision()
    scripts = ScriptDirectory(str(MIGRATIONS))
    if current == scripts.get_current_head():
        return True
    if current is not None and current not in {script.revision for script in scripts.walk_revisions()}:
        raise LedgerError(
            f"The alert ledger {shown} was written by a newer version of this project (schema {current}). "
            "Update the project, or name another ledger in GREENERY_ALERTS_LEDGER."
        )
    return False


def _upgrade(connection: Connection, shown: str) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"select pg_advisory_xact_lock({UPGRADE_LOCK})")
        _make_schema(connection, shown)
    # Another process may have done it while this one waited.
    if _is_current(connection, shown):
        return
    config = Config()
    # A % would be taken for an interpolation.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _make_schema(connection: Connection, shown: str) -> None:
    """Make the schema where it is not there, and move a ledger of before there was one into it."""
    do = connection.exec_driver_sql
    if do(f"select to_regclass('{SCHEMA}.alembic_version')").scalar():
        _refuse_a_second(connection, shown)
        return
    # Who may not make one can have it made by the owner of the database.
    if not do(f"select to_regnamespace('{SCHEMA}')").scalar():
        do(f"create schema {SCHEMA}")
    if revisions := _revisions_without_schema(connection):
        _move(connection, [table.name for table in metadata.sorted_tables], revisions)
    _begin_postgres(connection)


def _refuse_a_second(connection: Connection, shown: str) -> None:
    """Raise LedgerError if one was moved into the schema, and an older one that a search path kept apart is left."""
    if _revisions_without_schema(connection):
        place = connection.exec_driver_sql(
            "select relnamespace::regnamespace from pg_class where oid = to_regclass('incidents')"
        ).scalar()
        raise LedgerError(
            f"The alert ledger {shown} cannot be opened: its database holds two, one in the schema {SCHEMA} and one of "
            f"an older version in {place}. Name another database for one of them in GREENERY_ALERTS_LEDGER."
        )
    _begin_postgres(connection)


def _revisions_without_schema(connection: Connection) -> Sequence[str]:
    """The revisions of a ledger of before there was a schema, none where there is none; leaves its search path."""
    do = connection.exec_driver_sql
    # The way by which an older version found its tables: to public, unless the database or its address says otherwise.
    do("set local search_path to default")
    names = ["alembic_version", *(table.name for table in metadata.sorted_tables)]
    # A search path may lead to the schema itself.
    ours = f"select to_regclass('incidents') is not distinct from to_regclass('{SCHEMA}.incidents')"
    if do(ours).scalar() or not all(do(f"select to_regclass('{name}')").scalar() for name in names):
        return []
    versions: Sequence[str] = do("select version_num from alembic_version").scalars().all()
    return [version for version in versions if version in WITHOUT_SCHEMA]


def _move(connection: Connection, tables: Iterable[str], revisions: Sequence[str]) -> None:
    do = connection.exec_driver_sql
    for name in tables:
        do(f"alter table {name} set schema {SCHEMA}")
    # Dagster may have written a version of its own into the table of versions, and needs it.
    do(f"create table {SCHEMA}.alembic_version (like alembic_version including all)")
    for revision in revisions:
        do(f"insert into {SCHEMA}.alembic_version values ('{revision}')")
        do(f"delete from alembic_version where version_num = '{revision}'")
    if not do("select count(*) from alembic_version").scalar():
        do("drop table alembic_version")


def _begin_postgres(connection: Connection) -> None:
    # For each transaction: who shares a connection through a pooler must not find it changed.
    connection.exec_driver_sql(f"set local search_path to {SCHEMA}")


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


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(SQLITE_BEGIN, "begin"))
