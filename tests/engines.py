"""A warehouse in another engine than DuckDB, to be compared with one in DuckDB.

Not here: how to start a server (postgres.py).
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import duckdb
from sqlalchemy import create_engine

from bench.warehouse import MARTS, Built, differences
from greenery_assets.settings import PostgresAddress
from tests.dbt_here import BenchHere
from tests.job import Home
from tests.postgres import execute

# The schemas that dbt builds in, and what else it writes and reads.
BUILT = (*MARTS, "snapshots", "quality")
NOTES = ("complete_runs", "dbt_runs", "broken_guards")
LOADED = ("rejected_rows", "extra_columns", "durations")  # of quality, made by the loader
# Types of columns by their names in PostgreSQL, where they have another in DuckDB.
IN_DUCKDB = {"numeric": "decimal(38, 6)"}


class PostgresHere(BenchHere):
    """A Bench in PostgreSQL, in the database at `url`.

    After a build a DuckDB file has what dbt built, column by column with its type, so that two warehouses can be
    compared there.
    """

    engine = "postgres"

    def __init__(self, url: str, warehouse: Path, source: Path) -> None:
        self.url, self.address = url, PostgresAddress.parse(url)
        place = {"HOST": self.address.host, "PORT": self.address.port, "USER": self.address.user}
        place |= {"DATABASE": self.address.database}
        settings = {f"GREENERY_POSTGRES_{name}": str(it) for name, it in place.items()}
        super().__init__(warehouse, source, self.address, **settings)

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

    def indexes(self, table: str) -> str:
        """What indexes a table has, as SQL."""
        return str(
            execute(self.url, f"select pg_get_indexdef(indexrelid) from pg_index where indrelid = '{table}'::regclass")
        )


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


@dataclass(frozen=True)
class PostgresHome(Home):
    """A place to run in whose warehouse is the PostgreSQL database at `url`; its DuckDB file is for comparing."""

    url: str = ""

    def environment(self, source: Path) -> dict[str, str]:
        """The settings of a run here, and what `prepare` makes of them: the process may have been prepared before."""
        address = PostgresAddress.parse(self.url)
        return {
            **super().environment(source),
            "GREENERY_ENGINE": "postgres",
            "GREENERY_POSTGRES_URL": self.url,
            "GREENERY_POSTGRES_HOST": address.host,
            "GREENERY_POSTGRES_PORT": str(address.port),
            "GREENERY_POSTGRES_USER": address.user,
            "GREENERY_POSTGRES_DATABASE": address.database,
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the warehouse."""
        return execute(self.url, sql)

    def differences(self, other: Home, *schemas: str) -> dict[str, int]:
        """Rows that only one of two warehouses has, by table, source tables among them."""
        copy_from_postgres(self.url, self.warehouse)
        found = differences(self.warehouse, other.warehouse, schemas)
        for (table,) in other.query("select table_name from information_schema.tables where table_schema = 'raw'"):
            # Ids are texts in one driver.
            ours, theirs = (
                Counter(tuple(map(str, row)) for row in home.query(f"select * from raw.{table}"))
                for home in (self, other)
            )
            if ours != theirs:
                found[f"raw.{table}"] = (ours - theirs).total() + (theirs - ours).total()
        return found
