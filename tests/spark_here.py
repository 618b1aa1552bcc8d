"""A warehouse in Spark, to be compared with one in DuckDB.

Not here: how to start a server (spark.py).
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

import duckdb

from bench.warehouse import MARTS, Built, differences
from greenery_assets import landing
from greenery_assets.dbt.project import SOURCES_YAML
from greenery_assets.settings import SparkAddress, schemas
from greenery_assets.warehouse import open_for_reading
from greenery_assets.warehouse.spark import Server
from tests.dbt_here import BenchHere
from tests.engines import BUILT, NOTES
from tests.job import Home

# Tables whose files are asked for in one query.
AT_ONCE = 40


def address_of(url: str, folder: Path) -> SparkAddress:
    """A warehouse on the server at a URL, with a folder that both see."""
    host, port = url.removeprefix("thrift://").split(":")
    return SparkAddress(host, int(port), folder)


def emptied(address: SparkAddress) -> SparkAddress:
    """The same, without what was made there before."""
    server = Server(address)
    for schema in sorted(schemas()):
        server.run(f"drop schema if exists {schema} cascade")
    server.close()
    shutil.rmtree(address.folder, ignore_errors=True)
    return address


class SparkHere(BenchHere):
    """A Bench in Spark.

    After a build a DuckDB file has what dbt built, with the types of DuckDB, so that two warehouses can be compared
    there.
    """

    engine = "spark"

    def __init__(self, address: SparkAddress, warehouse: Path, source: Path) -> None:
        super().__init__(warehouse, source, GREENERY_SPARK_URL=f"thrift://{address.host}:{address.port}")
        self.address = address

    def load(self) -> float:
        """Bring the raw tables up to date; it takes no measured time."""
        landing.load(self.address, self.source, landing.read_contract(SOURCES_YAML))
        return 0

    def build(self, command: str = "build", *arguments: str) -> Built:
        """Run dbt, and copy what it built into the DuckDB file."""
        # dbt asks Spark for each table of a schema: not for those that checks keep where none is built.
        with _answers_without_columns():
            built = super().build(command, "--cache-selected-only", *arguments)
        is_checked = arguments[:2] != ("--exclude-resource-type", "test")
        copy_from_spark(self.address, self.warehouse, BUILT if is_checked else (*MARTS, "snapshots"))
        return built


@contextmanager
def _answers_without_columns() -> Iterator[None]:
    """PyHive cannot read the answer to what makes a view, which dbt's unit tests ask for (docs/engines.md)."""
    from dbt.adapters.spark.connections import PyhiveConnectionWrapper  # noqa: PLC0415  seconds

    whole = PyhiveConnectionWrapper.fetchall

    def fetchall(cursor: PyhiveConnectionWrapper) -> list[Any]:
        is_empty = [name for name, *_ in cursor.description] == ["Result"]
        return [] if is_empty else whole(cursor)

    with patch.object(PyhiveConnectionWrapper, "fetchall", fetchall):
        yield


def copy_from_spark(address: SparkAddress, warehouse: Path, schemas: Sequence[str] = BUILT) -> None:
    """Copy what dbt built and noted from Spark into a DuckDB file: Iceberg's files are Parquet, which DuckDB reads."""
    contracts = landing.read_contract(SOURCES_YAML).values()
    ids = {column.name for table in contracts for column in table.columns if column.data_type == "uuid"}
    server = Server(address)
    # A snapshot leaves a view.
    views = {name for (_, name, *_) in server.rows("show views in snapshots").rows}
    names = [f"{schema}.{name}" for schema in schemas for name in server.tables(schema) - views]
    names += [f"landing.{name}" for name in NOTES if name in server.tables("landing")]
    files: dict[str, list[str]] = {name: [] for name in names}
    for start in range(0, len(names), AT_ONCE):
        queries = (f"select '{name}', file_path, content from {name}.files" for name in names[start : start + AT_ONCE])
        for name, path, content in server.rows(" union all ".join(queries)).rows:
            assert content == 0, f"{name} has files of deletes, which are not read here"
            files[name].append(path.removeprefix("file:"))
    with duckdb.connect(str(warehouse)) as target:
        target.execute("set TimeZone = 'UTC'")
        for name, paths in files.items():
            target.execute(f"create schema if not exists {name.partition('.')[0]}")
            if paths:
                columns = target.execute("describe from read_parquet(?)", [paths]).fetchall()
                kinds = {column: kind.removesuffix(" WITH TIME ZONE") for column, kind, *_ in columns}
            else:
                described = server.rows(f"describe table {name}").rows
                kinds = {column: {"string": "varchar"}.get(kind, kind) for column, kind, *_ in described}
            kinds |= dict.fromkeys(ids & kinds.keys(), "uuid")
            if paths:
                typed = ", ".join(f"cast({column} as {kind}) as {column}" for column, kind in kinds.items())
                target.execute(f"create or replace table {name} as select {typed} from read_parquet(?)", [paths])
            else:
                listed = ", ".join(f"{column} {kind}" for column, kind in kinds.items())
                target.execute(f"create or replace table {name} ({listed})")
    server.close()


@dataclass(frozen=True)
class SparkHome(Home):
    """A place to run in whose warehouse is in Spark; its DuckDB file is for comparing."""

    address: SparkAddress
    patience_s: ClassVar[int] = 1800

    def environment(self, source: Path) -> dict[str, str]:
        """The settings of a run here."""
        return {
            **super().environment(source),
            "GREENERY_ENGINE": "spark",
            "GREENERY_SPARK_URL": f"thrift://{self.address.host}:{self.address.port}",
            "GREENERY_SPARK_FOLDER": str(self.address.folder),
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the warehouse."""
        with open_for_reading(self.address) as connection:
            return connection.execute(sql).fetchall()

    def differences(self, other: Home, *schemas: str) -> dict[str, int]:
        """Rows that only one of two warehouses has, by table."""
        copy_from_spark(self.address, self.warehouse)
        return differences(self.warehouse, other.warehouse, schemas)
