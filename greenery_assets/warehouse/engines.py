"""The engines that a warehouse can be in, behind one way to open, read and write it.

Here: which module is asked, by where the warehouse is: a path is a DuckDB file, an address a database of a PostgreSQL
server, or a server of Spark. Another engine is one more kind of place, one more module and one more line here. Not
here: what any of them does, nor what is in the warehouse (loads.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self, cast

from greenery_assets.settings import PostgresAddress, SparkAddress
from greenery_assets.warehouse import duckdb, postgres, spark
from greenery_assets.warehouse.errors import NotBuiltError, StatementError, WarehouseError

Place = Path | PostgresAddress | SparkAddress
DATABASE_ERRORS = (duckdb.DatabaseError, StatementError)
"""A database refused a statement; its own text may quote rows."""
NOT_BUILT = (*duckdb.NOT_BUILT, NotBuiltError)
"""A query names a table or column that is not there: no run has built it, or one of another version did."""


class Result(Protocol):
    """The rows of a query."""

    @property
    def description(self) -> Any:
        """One sequence a column, which begins with its name."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that were not fetched yet."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row."""


class Connection(Protocol):
    """An open warehouse; as a context manager it is closed at the end."""

    def execute(self, query: str, parameters: Sequence[object] = ..., /) -> Result:
        """Run a query that every engine knows, each `?` in it a parameter."""

    def __enter__(self) -> Self:
        """Itself."""

    def __exit__(self, kind: Any, error: Any, trace: Any, /) -> object:
        """Close it."""


def open_for_reading(place: Place) -> Connection:
    """Open the warehouse for reading only. Use as a context manager: while a DuckDB file is open nobody can write it.

    Raises WarehouseMissingError where nothing was loaded yet, else as `transaction`.
    """
    return _engine(place).open_for_reading(place)


def transaction(place: Place, set_aside: Path | str | None = None) -> AbstractContextManager[Connection]:
    """The warehouse, for writing; what is done within holds wholly or not at all.

    With `set_aside`, from `spare_name`, a new one takes the place of the present one, which has that name then. Raises
    WarehouseBusyError when another program or run is at work in it, and WarehouseError when it cannot be opened, read
    or written for another reason.
    """
    return _engine(place).transaction(place, set_aside)


def held(place: Place) -> AbstractContextManager[object]:
    """Keeps other runs out while dbt builds; raises as `transaction`. A DuckDB file is kept by dbt itself."""
    return nullcontext() if isinstance(place, Path) else _engine(place).held(place)


def spare_name(place: Place, what: str) -> Path | str:
    """What the present warehouse can be called when another takes its place."""
    return _engine(place).spare_name(place, what)


def tables(connection: Connection, schema: str) -> set[str]:
    """The names of a schema's tables and views; none where it is not there."""
    if isinstance(connection, spark.Session):
        return connection.tables(schema)
    found = connection.execute(
        "select table_name from information_schema.tables "
        "where table_catalog = current_database() and table_schema = ?",
        [schema],
    )
    return {str(name) for (name,) in found.fetchall()}


def append(connection: Connection, relation: str, rows: Sequence[Sequence[object]]) -> None:
    """Adds rows to a relation."""
    if not rows:
        return
    if isinstance(connection, duckdb.DuckDB):
        duckdb.append(connection, relation, [list(column) for column in zip(*rows, strict=True)])
    else:
        cast(_Server, connection).append(relation, rows)


@contextmanager
def typing(connection: Connection) -> Iterator[duckdb.DuckDB]:
    """The DuckDB in which rows are typed: the warehouse itself or, beside another engine's, one that goes at the end.

    What is accepted goes into a table of the same name in both (`hand_over`).
    """
    if isinstance(connection, duckdb.DuckDB):
        yield connection
        return
    with TemporaryDirectory(prefix="greenery_") as folder, duckdb.scratch(Path(folder, "rows.duckdb")) as scratch:
        scratch.execute("set TimeZone = 'UTC'; create schema landing")
        yield scratch


def hand_over(typed: duckdb.DuckDB, connection: Connection, table: str) -> None:
    """Moves the rows of a table from where they were typed into the warehouse, where it is another."""
    if connection is not typed:
        cast(_Server, connection).take_over(typed, table)


def fault(place: Place) -> str | None:
    """Why the warehouse cannot be opened now, where a server has it; None where it can. Of a file its disk says it."""
    try:
        if not isinstance(place, Path):
            _engine(place).connect(place).close()
    except WarehouseError as error:
        return str(error)
    return None


class _Server(Connection, Protocol):
    """A connection to an engine that is given its rows."""

    def append(self, relation: str, rows: Sequence[Sequence[object]]) -> None:
        """Add rows to a relation."""

    def take_over(self, typed: duckdb.DuckDB, table: str) -> None:
        """Move the rows of a table in DuckDB into the one of its name here."""


def _engine(place: Place) -> Any:
    if isinstance(place, Path):
        return duckdb
    return postgres if isinstance(place, PostgresAddress) else spark
