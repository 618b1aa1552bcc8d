"""What landing keeps in the warehouse's schemas raw and quality.

Here: everything said to the warehouse besides reading source files. Not here: the source files, opening the file.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from greenery_assets.landing.ledger import Ledger
from greenery_assets.landing.opening import explaining, open_for_writing
from greenery_assets.landing.parquet import quoted
from greenery_assets.landing.rejects import Reject

REJECTED_ROWS = "quality.rejected_rows"
EXTRA_COLUMNS = "quality.extra_columns"

_REJECTED_ROWS = """
create table if not exists {table} (
    source_table varchar, file varchar, line bigint, column_name varchar, reason varchar, raw_text varchar,
    load_was_refused boolean
);
alter table {table} add column if not exists load_was_refused boolean default false;
"""


class Warehouse:
    """An open warehouse within a transaction; see `transaction`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        # Every name is qualified with the catalog: raw.users is ambiguous in a file called raw.duckdb.
        row = connection.execute("select current_database()").fetchone()
        self._catalog = quoted(str(row[0])) if row else ""
        self.ledger = Ledger(connection, f"{self._catalog}.landing")
        for schema in ("raw", "quality"):
            connection.execute(f"create schema if not exists {self._catalog}.{schema}")

    def has(self, table: str) -> bool:
        """Whether raw.<table> is there."""
        return bool(self._kinds(table))

    @property
    def is_filled(self) -> bool:
        """Whether any source table is there."""
        return bool(
            self.connection.execute(
                "select 1 from information_schema.tables "
                "where table_catalog = current_database() and table_schema = 'raw'"
            ).fetchone()
        )

    def make_room(self, table: str) -> str:
        """Drops raw.<table>, be it a table or a view, and gives the name to create it by (quoted SQL)."""
        for kind in self._kinds(table):
            what = "view" if kind == "VIEW" else "table"
            self.connection.execute(f"drop {what} {self._raw(table)}")
        return self._raw(table)

    def landed(self, table: str) -> str:
        """The table of rows that are not read in place, each with its file (quoted SQL)."""
        return f"{self.ledger.schema}.{quoted(table + '_rows')}"

    def by_file(self, table: str) -> str:
        """The view of all rows of a table, each with its file (quoted SQL)."""
        return f"{self.ledger.schema}.{quoted(table + '_by_file')}"

    def forget_refused(self, tables: Sequence[str]) -> None:
        """Drops the rejected rows of a load that was refused."""
        target = f"{self._catalog}.{REJECTED_ROWS}"
        self.connection.execute(_REJECTED_ROWS.format(table=target))
        self.connection.execute(
            f"delete from {target} where load_was_refused and list_contains(?, source_table)", [list(tables)]
        )

    def rejects_of(self, files: Mapping[str, Sequence[str]]) -> list[tuple[object, ...]]:
        """The rejected rows of these files, by table, as `keep_refused` takes them."""
        found: list[tuple[object, ...]] = []
        for table, names in files.items():
            found += self.connection.execute(
                f"select * exclude (load_was_refused) from {self._catalog}.{REJECTED_ROWS} "
                "where source_table = ? and list_contains(?, file)",
                [table, list(names)],
            ).fetchall()
        return found

    def keep_refused(self, rejects: Sequence[tuple[object, ...]]) -> None:
        """Keeps the rejected rows of a load that was refused beside those of what is loaded."""
        if rejects:
            self.connection.execute(
                f"insert into {self._catalog}.{REJECTED_ROWS} select unnest(?::varchar[]), unnest(?::varchar[]), "
                "unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::varchar[]), unnest(?::varchar[]), true",
                [list(column) for column in zip(*rejects, strict=True)],
            )

    def replace_rejects(self, table: str, files: Sequence[str], rejects: Sequence[tuple[str, Reject]]) -> None:
        """Puts these files' rejected rows, each with its file's name, in place of those from before."""
        target = f"{self._catalog}.{REJECTED_ROWS}"
        self.connection.execute(
            f"delete from {target} where source_table = ? and list_contains(?, file)", [table, list(files)]
        )
        rows = [
            (table, file, reject.line, reject.column_name, reject.reason, reject.raw_text) for file, reject in rejects
        ]
        if rows:
            self.connection.execute(
                f"insert into {target} select unnest(?::varchar[]), unnest(?::varchar[]), "
                "unnest(?::bigint[]), unnest(?::varchar[]), unnest(?::varchar[]), unnest(?::varchar[]), false",
                [list(column) for column in zip(*rows, strict=True)],
            )

    def replace_extra_columns(self, columns: Mapping[str, Sequence[str]]) -> None:
        """Puts the columns that no contract asked for, by table, in place of those from before."""
        target = f"{self._catalog}.{EXTRA_COLUMNS}"
        self.connection.execute(f"create table if not exists {target} (source_table varchar, column_name varchar)")
        self.connection.execute(f"delete from {target} where list_contains(?, source_table)", [list(columns)])
        for table, names in columns.items():
            self.connection.execute(f"insert into {target} select ?, unnest(?::varchar[])", [table, list(names)])

    def _kinds(self, table: str) -> list[str]:
        rows = self.connection.execute(
            "select table_type from information_schema.tables "
            "where table_catalog = current_database() and table_schema = 'raw' and table_name = ?",
            [table],
        ).fetchall()
        return [kind for (kind,) in rows]

    def _raw(self, table: str) -> str:
        return f"{self._catalog}.raw.{quoted(table)}"


@contextmanager
def transaction(path: Path) -> Iterator[Warehouse]:
    """The warehouse at `path`, made if it is not there; what is done within holds wholly or not at all.

    Raises WarehouseBusyError when another program has it open, WarehouseCorruptError when it is not whole, and
    WarehouseError when it cannot be opened, read or written for another reason.
    """
    with open_for_writing(path) as connection, explaining(path):
        connection.begin()
        try:
            yield Warehouse(connection)
        except BaseException:
            with suppress(duckdb.Error):  # what broke the transaction may have ended it
                connection.rollback()
            raise
        connection.commit()
