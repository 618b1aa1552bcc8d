"""A warehouse in another engine than DuckDB, to be compared with one in DuckDB.

Not here: how to start a server (postgres.py). The loader writes DuckDB alone so far, so its tables are copied here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

import duckdb
from sqlalchemy import create_engine, make_url

from bench.warehouse import MARTS, Built
from tests.dbt_here import BenchHere
from tests.postgres import execute

# The schemas that dbt builds in, and what else it writes and reads.
BUILT = (*MARTS, "snapshots", "quality")
NOTES = ("complete_runs", "dbt_runs", "broken_guards")
LOADED = ("rejected_rows", "extra_columns")  # of quality, by the loader
LANDED = ("files", "days", "order_items_by_file")

# Types of columns by their names in DuckDB, where they have another in PostgreSQL.
IN_POSTGRES = {"VARCHAR": "text", "DOUBLE": "double precision", "UBIGINT": "numeric(20)"}
IN_DUCKDB = {"numeric": "decimal(38, 6)"}


class PostgresHere(BenchHere):
    """A Bench that dbt builds in PostgreSQL, in the database at `url`.

    The loader fills its DuckDB file, and copies of the tables are what dbt reads. After a build the file has what dbt
    built, column by column with its type, so that two warehouses can be compared in DuckDB.
    """

    engine = "postgres"

    def __init__(self, url: str, warehouse: Path, source: Path) -> None:
        at = make_url(url)
        place = {"PGHOST": at.host, "PGPORT": at.port, "PGUSER": at.username, "PGDATABASE": at.database}
        super().__init__(warehouse, source, **{name: str(value) for name, value in place.items()})
        self.url = url

    def load(self) -> float:
        """Load into DuckDB, and copy into PostgreSQL; seconds of the former."""
        seconds = super().load()
        copy_to_postgres(self.warehouse, self.url)
        return seconds

    def build(self, command: str = "build", *arguments: str) -> Built:
        """Run dbt, and copy what it built into the DuckDB file."""
        built = super().build(command, *arguments)
        copy_from_postgres(self.url, self.warehouse)
        return built

    def without_statistics(self) -> list[tuple[object, ...]]:
        """Tables that no query can be planned by: their rows were never counted."""
        return execute(
            self.url,
            "select nspname, relname from pg_class join pg_namespace on relnamespace = pg_namespace.oid "
            f"where nspname in {(*MARTS, 'snapshots')} and relkind = 'r' and reltuples < 0",
        )


def copy_to_postgres(warehouse: Path | str, url: str = "postgresql+psycopg2://") -> None:
    """Copy what dbt reads and notes from a DuckDB file into PostgreSQL, with the types of the contract.

    Without a URL the database is where PGHOST and its like say.
    """
    with duckdb.connect(str(warehouse), read_only=True) as source, _transaction(url) as cursor:
        tables = source.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema = 'raw' or table_schema = 'landing' and list_contains(?, table_name)",
            [[*LANDED, *NOTES]],
        ).fetchall()
        cursor.execute("create schema if not exists raw; create schema if not exists landing")
        for (table,) in tables:
            columns = source.execute(f"describe {table}").fetchall()
            typed = ", ".join(f"{column} {IN_POSTGRES.get(kind, kind)}" for column, kind, *_ in columns)
            with TemporaryDirectory() as folder:
                file = Path(folder, "rows.csv")
                source.execute(f"copy (from {table}) to '{file}' (format csv, header false, nullstr '\\N')")
                cursor.execute(f"create table if not exists {table} ({typed}); truncate {table}")
                with file.open() as rows:
                    cursor.copy_expert(f"copy {table} from stdin (format csv, null '\\N')", rows)
            cursor.execute(f"analyze {table}")


def copy_from_postgres(url: str, warehouse: Path) -> None:
    """Copy what dbt built and noted from PostgreSQL into a DuckDB file."""
    with duckdb.connect(str(warehouse)) as target, _transaction(url) as cursor:
        cursor.execute(
            "select schemaname, tablename, array_agg(attname::text order by attnum), "
            "array_agg(format_type(atttypid, atttypmod) order by attnum) from pg_tables join pg_attribute "
            "on attrelid = format('%%I.%%I', schemaname, tablename)::regclass and attnum > 0 "
            "where schemaname = any(%s) or schemaname = 'landing' and tablename = any(%s) group by 1, 2",
            [list(BUILT), list(NOTES)],
        )
        for schema, table, names, kinds in cursor.fetchall():
            columns = {name: IN_DUCKDB.get(kind, kind) for name, kind in zip(names, kinds, strict=True)}
            with NamedTemporaryFile() as rows:
                cursor.copy_expert(f"copy {schema}.{table} to stdout (format csv, null '\\N')", rows)
                rows.flush()
                target.execute(
                    f"create schema if not exists {schema}; create or replace table {schema}.{table} as from read_csv("
                    f"'{rows.name}', header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
                    f"nullstr = '\\N', columns = {columns})"
                )


@contextmanager
def _transaction(url: str) -> Iterator[Any]:
    """A cursor of the driver: SQLAlchemy has no COPY."""
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection.connection.cursor()
    engine.dispose()
