"""A bench warehouse that dbt builds in Spark, with a copy in DuckDB, in which two warehouses can be compared.

Not here: how to start a server (spark.py). The loader writes DuckDB, so what it loaded is copied.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from bench.warehouse import MARTS, Built
from tests import spark
from tests.dbt_here import BenchHere

# The schemas that dbt builds in, and of schema landing what it reads and what it notes.
BUILT = (*MARTS, "snapshots", "quality")
LANDED = ("files", "days", "order_items_by_file")
NOTES = ("complete_runs", "dbt_runs", "broken_guards")
# Types as Spark reads them from Parquet: ids are text, and timestamps have a zone, which is UTC.
IN_SPARK = {"UUID": "varchar", "TIMESTAMP": "timestamptz", "UBIGINT": "decimal(20)"}


class SparkHere(BenchHere):
    """A Bench that dbt builds in Spark, on the server at `url`.

    The loader fills the DuckDB file, and copies of its tables are what dbt reads. After a build the file has what dbt
    built, with ids and timestamps of DuckDB's types.
    """

    engine = "spark"

    def __init__(self, url: str, warehouse: Path, source: Path) -> None:
        super().__init__(warehouse, source, GREENERY_SPARK_URL=url)
        self.url = url

    def load(self) -> float:
        """Load into DuckDB, and copy into Spark; seconds of the former."""
        seconds = super().load()
        self._copy_to_spark()
        return seconds

    def build(self, command: str = "build", *arguments: str) -> Built:
        """Run dbt, and copy what it built into the DuckDB file."""
        built = super().build(command, *arguments)
        self._copy_from_spark()
        return built

    def _copy_to_spark(self) -> None:
        with duckdb.connect(str(self.warehouse), read_only=True) as source, spark.connection(self.url) as cursor:
            source.execute("set TimeZone = 'UTC'")
            tables = source.execute(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema = 'raw' or table_schema = 'landing' and list_contains(?, table_name)",
                [[*LANDED, *NOTES]],
            ).fetchall()
            for schema, table in tables:
                with TemporaryDirectory() as folder:
                    file = Path(folder, "rows.parquet")
                    columns = source.execute(f"describe {schema}.{table}").fetchall()
                    typed = ", ".join(
                        f"cast({name} as {IN_SPARK.get(kind, kind)}) as {name}" for name, kind, *_ in columns
                    )
                    source.execute(f"copy (select {typed} from {schema}.{table}) to '{file}' (format parquet)")
                    cursor.execute(f"create schema if not exists {schema}")
                    cursor.execute(f"drop table if exists {schema}.{table}")
                    cursor.execute(f"create table {schema}.{table} using iceberg as select * from parquet.`{file}`")

    def _copy_from_spark(self) -> None:
        with duckdb.connect(str(self.warehouse)) as target, spark.connection(self.url) as cursor:
            target.execute("set TimeZone = 'UTC'")
            ids = "select distinct column_name from duckdb_columns() where schema_name = 'raw' and data_type = 'UUID'"
            types = {name: "uuid" for (name,) in target.execute(ids).fetchall()}
            for schema, table in self._tables(cursor):
                with TemporaryDirectory() as folder:
                    rows = Path(folder, "rows")
                    cursor.execute(f"insert overwrite directory '{rows}' using parquet select * from {schema}.{table}")
                    read = f"read_parquet('{rows}/*.parquet')"
                    columns = target.execute(f"describe from {read}").fetchall()
                    typed = ", ".join(
                        f"cast({name} as {types.get(name, kind.removesuffix(' WITH TIME ZONE'))}) as {name}"
                        for name, kind, *_ in columns
                    )
                    target.execute(f"create schema if not exists {schema}")
                    target.execute(f"create or replace table {schema}.{table} as select {typed} from {read}")

    def _tables(self, cursor: Any) -> list[tuple[str, str]]:
        """What dbt built and noted: schema and name of each table."""
        cursor.execute("show schemas")
        schemas = [schema for (schema,) in cursor.fetchall() if schema in (*BUILT, "landing")]
        found = []
        for schema in schemas:
            cursor.execute(f"show tables in {schema}")
            found += [(schema, name) for _, name, *_ in cursor.fetchall() if schema != "landing" or name in NOTES]
        return found
