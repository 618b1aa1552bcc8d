"""A session of Spark's Thrift server: how it is opened, what it answers, and queries of this project in Spark's SQL.

The cause of a failure is found by SQLSTATE and by what the server answers: never in the text of an error, which may
quote a row. Not here: what the tables are (spark.py). The driver is imported when it is needed.
"""

import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlglot import expressions as sql

from greenery_assets.settings import SparkAddress
from greenery_assets.warehouse.errors import NotBuiltError, StatementError, WarehouseError

OLDEST = (3, 5)
CONNECT_S = 10
_USER = "greenery"
# Between two questions whether a statement has ended.
_LONGEST_PAUSE_S = 0.2
_NOT_BUILT = {"42P01", "42703", "42704"}  # no such table, column, schema
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Of a session, as of dbt's (dbt_project/profiles.yml). Otherwise times have the zone of the server, a cast that fails
# is null, the calendar changes in 1582, and tables are seen as they were half a minute ago, whatever others wrote.
OPTIONS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.catalog.spark_catalog.cache-enabled": "false",
}


class Rows(NamedTuple):
    """What a query found."""

    description: Sequence[tuple[str, ...]]
    rows: list[tuple[Any, ...]]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that were not fetched yet."""
        found = self.rows[:]
        self.rows.clear()
        return found

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""
        return self.rows.pop(0) if self.rows else None


class Server:
    """A session of the Thrift server, begun by its first statement.

    Statements raise NotBuiltError, StatementError, and WarehouseError where the server is not there, or gone.
    """

    def __init__(self, address: SparkAddress) -> None:
        self.address = address
        self._connection: Any = None

    def run(self, statement: str) -> None:
        """Run a statement that has no rows."""
        self._cursor(statement).close()

    def rows(self, query: str) -> Rows:
        """Run a query; all of its rows."""
        cursor = self._cursor(query)
        with self._worded(), cursor:
            kinds = [kind for _, kind, *_ in cursor.description]
            found = [tuple(map(_value, row, kinds)) for row in cursor.fetchall()]
            return Rows(cursor.description, found)

    def tables(self, schema: str) -> set[str]:
        """The names of a schema's tables and views; none where it is not there."""
        try:
            return {name for _, name, *_ in self.rows(f"show tables in {schema}").rows}
        except NotBuiltError:
            return set()

    def close(self) -> None:
        """End the session; where the server is gone it has ended."""
        if self._connection is not None:
            with suppress(WarehouseError, StatementError), self._worded():
                self._connection.close()

    def _cursor(self, statement: str) -> Any:
        if self._connection is None:
            self._connection = _connect(self.address)
        with self._worded():
            cursor = self._connection.cursor()
            # Asked again and again, the server notices that nobody asks any more, and stops the statement.
            cursor.execute(statement, async_=True)
            self._wait(cursor)
            return cursor

    def _wait(self, cursor: Any) -> None:
        """Until a statement has ended. Raises what is wrong with it."""
        from TCLIService.ttypes import TOperationState as State  # noqa: PLC0415  an extra

        pause = 0.005
        while (status := cursor.poll(get_progress_update=False)).operationState in (
            State.INITIALIZED_STATE,
            State.PENDING_STATE,
            State.RUNNING_STATE,
        ):
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)
        if status.operationState != State.FINISHED_STATE:
            raise _refused("OperationalError", status.sqlState)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        """Turns the driver's errors into ours, which hold nothing of a row."""
        from pyhive.exc import Error  # noqa: PLC0415  an extra
        from thrift.Thrift import TException  # noqa: PLC0415

        try:
            yield
        except Error as error:
            state = str(getattr(getattr(error.args[0] if error.args else None, "status", None), "sqlState", "") or "")
            raise _refused(type(error).__name__, state) from None
        except (TException, OSError, EOFError):
            raise WarehouseError(
                f"The server of the warehouse {self.address} stopped, or the connection to it was lost. Look whether "
                "it is up, and run again: what was begun is then done once more."
            ) from None


def _refused(kind: str, state: str | None) -> StatementError:
    return (NotBuiltError if state in _NOT_BUILT else StatementError)(kind, state or "")


def connect(address: SparkAddress) -> Server:
    """Open the server. Raises WarehouseError where that is not possible, or it cannot hold a warehouse."""
    server = Server(address)
    server.rows("select 1")
    return server


def _connect(address: SparkAddress) -> Any:
    from pyhive import hive  # noqa: PLC0415  an extra
    from pyhive.exc import Error  # noqa: PLC0415
    from thrift.Thrift import TException  # noqa: PLC0415

    where = f"{address.host}:{address.port}"
    try:
        socket.create_connection((address.host, address.port), CONNECT_S).close()
    except OSError as error:
        raise WarehouseError(
            f"No Spark Thrift server answers at {where} ({error.strerror or 'no answer'}): start it, or correct "
            "GREENERY_SPARK_URL."
        ) from None
    try:
        connection = hive.connect(
            address.host,
            port=address.port,
            username=_USER,
            configuration={f"set:hiveconf:{name}": value for name, value in OPTIONS.items()},
        )
        with connection.cursor() as cursor:
            cursor.execute("select version()")
            version = str(cursor.fetchone()[0]).split()[0]
            cursor.execute("set")
            taken = dict(row[:2] for row in cursor.fetchall())
    except (Error, TException, OSError, EOFError) as error:
        raise WarehouseError(
            f"What answers at {where} is no Spark Thrift server that lets this program in ({type(error).__name__}): "
            "correct GREENERY_SPARK_URL. A server that asks for a password is not supported."
        ) from None
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        connection.close()
        raise WarehouseError(
            f"The server of the warehouse {address} is Spark {version}; "
            f"{'.'.join(map(str, OLDEST))} or newer is needed."
        )
    if refused := [f"{name}={value}" for name, value in OPTIONS.items() if taken.get(name) != value]:
        connection.close()
        raise WarehouseError(
            f"The server of the warehouse {address} does not let a session set {', '.join(refused)}, without which "
            "figures would be wrong: start it with that (docs/engines.md)."
        )
    return connection


def in_spark(tree: sql.Expr, parameters: Sequence[object]) -> str:
    """A query in Spark's SQL, its parameters among it as literals."""
    for placeholder, value in zip([*tree.find_all(sql.Placeholder, bfs=False)], parameters, strict=True):
        placeholder.replace(sql.convert(value))
    for spread in [*tree.find_all(sql.WithinGroup)]:
        # It would become the approximate percentile.
        (by,) = spread.expression.expressions
        spread.replace(sql.Anonymous(this="percentile", expressions=[by.this, spread.this.this]))
    for part in [*tree.find_all(sql.Extract)]:
        if part.name.lower() == "epoch" and isinstance(part.expression, sql.Sub):
            later, earlier = (
                sql.Anonymous(this="unix_micros", expressions=[side]) for side in part.expression.iter_expressions()
            )
            part.replace(sql.paren(sql.paren(later - earlier) / 1_000_000))
    return tree.sql(dialect="spark")


def _value(value: Any, kind: str) -> Any:
    """A value of the type that it has in the other engines: the driver leaves dates as text, and Spark has no uuid."""
    if isinstance(value, str):
        if kind == "DATE_TYPE":
            return date.fromisoformat(value)
        if _UUID.fullmatch(value):
            return UUID(value)
    return value
