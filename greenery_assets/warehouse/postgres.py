"""PostgreSQL: a database of a server, written by one run at a time, which an advisory lock keeps others out of.

Here: the way to open, write and lock it, and the cause of a failure, found by SQLSTATE and by what the server answers:
never in the text of an error, which may quote a row. Not here: what is in the warehouse (loads.py), and what dbt does
with the server (dbt_project/profiles.yml). The driver is imported when it is needed: without it all else works.
"""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from greenery_assets.settings import PostgresAddress, schemas
from greenery_assets.warehouse.errors import (
    NotBuiltError,
    StatementError,
    WarehouseBusyError,
    WarehouseError,
    WarehouseMissingError,
)

if TYPE_CHECKING:
    from greenery_assets.warehouse.duckdb import DuckDB

OLDEST = 14
CONNECT_S = 10
# A run that was killed leaves its lock as soon as the server sees that it is gone.
LOCK_TRIES, LOCK_PAUSE_S = 20, 0.2
_LOCK = int.from_bytes(b"greenery")
_NOT_BUILT = {"42P01", "42703", "3F000"}  # no such table, column, schema
# Found also by a user who may not see it.
_FILES = (
    "select pg_class.oid from pg_class join pg_namespace on relnamespace = pg_namespace.oid "
    "where nspname = 'landing' and relname = 'files'"
)
_NAME_ANOTHER = "name another database in GREENERY_POSTGRES_URL"


class Session:
    """An open database. Each statement holds by itself, unless a transaction was begun (`transaction`).

    Statements raise NotBuiltError, StatementError, and WarehouseError where the server is gone.
    """

    def __init__(self, connection: Any, address: PostgresAddress) -> None:
        self.connection, self.address = connection, address

    def execute(self, query: str, parameters: Sequence[object] = (), /) -> Any:
        """Run a query, each `?` in it a parameter; returns what has its rows."""
        with self.worded():
            cursor = self.connection.cursor()
            if parameters:
                cursor.execute(query.replace("%", "%%").replace("?", "%s"), list(map(_taken, parameters)))
            else:
                cursor.execute(query)
            return cursor

    def append(self, relation: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a relation."""
        from psycopg2.extras import execute_values  # noqa: PLC0415

        with self.worded(), self.connection.cursor() as cursor:
            execute_values(cursor, f"insert into {relation} values %s", [tuple(map(_taken, row)) for row in rows])

    def take_over(self, typed: "DuckDB", table: str) -> None:
        """Move the rows of a table in DuckDB into the one of its name here, which has the same columns."""
        with TemporaryDirectory(prefix="greenery_") as folder:
            path = Path(folder, "rows.csv")
            [(sent,)] = typed.execute(f"copy {table} to '{path}' (format csv, header false, nullstr '\\N')").fetchall()
            # Opened only now: DuckDB puts the finished file in the place of the one it began.
            with path.open(encoding="utf-8", newline="") as rows, self.worded(), self.connection.cursor() as cursor:
                cursor.copy_expert(f"copy {table} from stdin (format csv, null '\\N')", rows)
                taken = cursor.rowcount
        if taken != sent:
            raise WarehouseError(
                f"Of {sent:,} rows for {table} only {taken:,} reached the warehouse {self.address}, so nothing was "
                "loaded; run again."
            )
        typed.execute(f"truncate {table}")
        # Rows lie as they came, by file and mostly by time: with an index of block ranges a day reads few of them. The
        # last column is the path of the file.
        *columns, (path, *_) = typed.execute(f"describe {table}").fetchall()
        in_order = ", ".join(
            f'"{name}"' for name in [*(name for name, kind, *_ in columns if kind == "TIMESTAMP"), path]
        )
        index = table.partition(".")[2].replace('"', "") + "_in_order"
        self.execute(f"create index if not exists {index} on {table} using brin ({in_order}) with (autosummarize = on)")
        # Without counts of its rows the next queries are planned badly: minutes instead of seconds.
        self.execute(f"analyze {table}")

    def close(self) -> None:
        """Close it; what was not committed is undone."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def worded(self) -> Iterator[None]:
        """Turns the driver's errors into ours, which hold nothing of a row."""
        import psycopg2  # noqa: PLC0415

        try:
            yield
        except psycopg2.Error as error:
            state = error.pgcode or ""
            if self.connection.closed or not state or state.startswith(("08", "57P")):
                raise WarehouseError(
                    f"The server of the warehouse {self.address} stopped, or the connection to it was lost. What the "
                    "run had begun to write is undone. Look whether the server is up, and run again."
                ) from None
            kind = type(error).__name__
            if state == "42501":
                raise _lacks_right(self.address, f"do all that the run needs ({kind})") from None
            raise (NotBuiltError if state in _NOT_BUILT else StatementError)(kind, state) from None


def connect(address: PostgresAddress) -> Session:
    """Open the database. Raises WarehouseError where that is not possible, or it cannot hold a warehouse."""
    import psycopg2  # noqa: PLC0415
    from psycopg2.extras import register_uuid  # noqa: PLC0415

    try:
        connection = _connect(address, address.database)
    except (psycopg2.OperationalError, UnicodeDecodeError):
        raise _why_not(address) from None
    session = Session(connection, address)
    try:
        if connection.server_version < OLDEST * 10_000:
            raise WarehouseError(
                f"The server of the warehouse {address} is PostgreSQL {connection.server_version // 10_000}; "
                f"{OLDEST} or newer is needed."
            )
        if connection.get_parameter_status("server_encoding") != "UTF8":
            raise WarehouseError(f"The warehouse {address} does not keep text in UTF-8; {_NAME_ANOTHER}.")
        connection.autocommit = True
        # A server that cannot do it sees that a run is gone when its statement ends.
        with suppress(StatementError):
            session.execute("set client_connection_check_interval = '500ms'")
        # Whatever the server or the user has for a default.
        session.execute("set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'")
        register_uuid(conn_or_curs=connection)
    except BaseException:
        session.close()
        raise
    return session


def open_for_reading(address: PostgresAddress) -> Session:
    """Open the warehouse for reading only; it keeps nobody from writing.

    Raises WarehouseMissingError where nothing was loaded yet, else as `connect`.
    """
    session = connect(address)
    try:
        if not _is_ours(session):
            raise WarehouseMissingError(f"The warehouse {address} has no tables yet; make them with make run.")
        session.execute("set default_transaction_read_only = on")
    except BaseException:
        session.close()
        raise
    return session


@contextmanager
def transaction(address: PostgresAddress, set_aside: str | None = None) -> Iterator[Session]:
    """The warehouse, for writing; what is done within holds wholly or not at all.

    With `set_aside` each of its schemas gets another name, which ends so, and new ones take their places. Raises
    WarehouseBusyError while another run is at work, and WarehouseError where the database holds somebody else's tables
    in our schemas, or the user lacks a right.
    """
    with connect(address) as session:
        session.connection.autocommit = False
        _lock(session, "pg_try_advisory_xact_lock")
        _refuse_what_is_not_ours(session)
        if set_aside is not None:
            for schema in _schemas_there(session):
                session.execute(f'alter schema {schema} rename to "{schema}_{set_aside}"')
        yield session
        with session.worded():
            session.connection.commit()


@contextmanager
def held(address: PostgresAddress) -> Iterator[None]:
    """Keep other runs out. Raises WarehouseBusyError while one is at work."""
    with connect(address) as session:
        _lock(session, "pg_try_advisory_lock")
        yield


def spare_name(_address: PostgresAddress, what: str) -> str:
    """How the names of the present schemas can end when others take their places."""
    return what.lower().replace("-", "_")


def _taken(value: object) -> object:
    # PostgreSQL's text holds no NUL, which a rejected row may.
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _connect(address: PostgresAddress, database: str) -> Any:
    import psycopg2  # noqa: PLC0415

    return psycopg2.connect(
        host=address.host,
        port=address.port,
        user=address.user,
        # Where it is empty the driver looks into the file of passwords (~/.pgpass), and not into PGPASSWORD.
        password=address.password,
        dbname=database,
        sslmode=address.sslmode,
        connect_timeout=CONNECT_S,
        client_encoding="UTF8",
        application_name=f"greenery on {socket.gethostname()[:30]}, PID {os.getpid()}",
    )


def _why_not(address: PostgresAddress) -> WarehouseError:
    """Why no connection comes about: the driver has no code for it, so the server is asked in smaller steps."""
    import psycopg2  # noqa: PLC0415

    where = f"{address.host}:{address.port}"
    try:
        socket.create_connection((address.host, address.port), CONNECT_S).close()
    except OSError as error:
        return WarehouseError(
            f"No PostgreSQL server answers at {where} ({error.strerror or 'no answer'}): start it, or correct "
            "GREENERY_POSTGRES_URL."
        )
    for database in ("postgres", "template1"):
        with suppress(psycopg2.Error, UnicodeDecodeError):
            session = Session(_connect(address, database), address)
            with session:
                there = session.execute("select 1 from pg_database where datname = ?", [address.database]).fetchone()
            if not there:
                return WarehouseError(
                    f"The PostgreSQL server at {where} has no database {address.database}: make it (createdb "
                    f"{address.database}), or {_NAME_ANOTHER}."
                )
            break
    return WarehouseError(
        f"The PostgreSQL server at {where} does not let the user {address.user} into the database {address.database}: "
        "look at user, password and database in GREENERY_POSTGRES_URL, and whether the server starts or is full."
    )


def _lock(session: Session, function: str) -> None:
    for _ in range(LOCK_TRIES):
        if session.execute(f"select {function}({_LOCK})").fetchone()[0]:
            return
        time.sleep(LOCK_PAUSE_S)
    row = session.execute(
        "select application_name, to_char(backend_start, 'YYYY-MM-DD HH24:MI') from pg_locks "
        "join pg_stat_activity using (pid) where locktype = 'advisory' and granted and classid = ? and objid = ? "
        "and pg_locks.database = (select oid from pg_database where datname = current_database())",
        [_LOCK >> 32, _LOCK & 0xFFFFFFFF],
    ).fetchone()
    who = f"({row[0]}, since {row[1]} UTC)" if row else "of this project"
    raise WarehouseBusyError(
        f"Another run {who} is at work in the warehouse {session.address}, so this one stopped and changed nothing; "
        "wait until that is done, and run again."
    )


def _is_ours(session: Session) -> bool:
    """Whether a load of ours made tables here."""
    columns = session.execute(
        f"select count(*) from pg_attribute where attrelid in ({_FILES}) "
        "and attname in ('source_table', 'path', 'load_id', 'is_removed')"
    ).fetchone()
    return bool(columns[0] == 4)


def _schemas_there(session: Session) -> list[str]:
    found = session.execute("select nspname from pg_namespace where nspname = any(?) order by 1", [sorted(schemas())])
    return [name for (name,) in found.fetchall()]


def _refuse_what_is_not_ours(session: Session) -> None:
    """Raise WarehouseError where our schemas hold what we did not make, or may not be made or written."""
    address, there = session.address, _schemas_there(session)
    if not _is_ours(session):
        found = session.execute(
            "select nspname || '.' || relname from pg_class join pg_namespace on relnamespace = pg_namespace.oid "
            "where nspname = any(?) and relkind in ('r', 'p', 'v', 'm', 'f', 'S') order by 1",
            [there],
        ).fetchall()
        if found:
            names = ", ".join(name for (name,) in found[:3]) + (f" and {len(found) - 3} more" * (len(found) > 3))
            raise WarehouseError(
                f"The database {address} holds tables that this project did not make, in schemas that it would use "
                f"({names}). Nothing was changed; {_NAME_ANOTHER}, or move them to another schema."
            )
    elif not session.execute(f"select pg_has_role(relowner, 'usage') from pg_class where oid in ({_FILES})").fetchone()[
        0
    ]:
        raise _lacks_right(address, "change its tables, which another user made")
    missing = sorted(schemas().difference(there))
    if missing and not session.execute("select has_database_privilege(current_database(), 'create')").fetchone()[0]:
        raise _lacks_right(address, f"make its schemas ({', '.join(missing)})")
    closed = session.execute(
        "select nspname from pg_namespace where nspname = any(?) and not has_schema_privilege(oid, 'create')", [there]
    ).fetchall()
    if closed:
        raise _lacks_right(address, f"make tables in its schemas ({', '.join(name for (name,) in closed)})")


def _lacks_right(address: PostgresAddress, what: str) -> WarehouseError:
    return WarehouseError(
        f"The user {address.user} of the warehouse {address} may not {what}. Nothing was changed; have the database's "
        f'administrator run: alter database "{address.database}" owner to "{address.user}" (or grant that right).'
    )
