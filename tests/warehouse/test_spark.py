"""The dbt project on Spark: every table and every row that a check keeps is equal to DuckDB's.

The rest of the project does not run on Spark yet. Other databases are in test_engines.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from bench.warehouse import Bench, differences
from tests import spark
from tests.conftest import yesterday
from tests.dbt_here import BenchHere
from tests.spark_here import BUILT, SparkHere

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slowest,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.fixture
def spark_url() -> Iterator[str]:
    """The address of a Spark Thrift server."""
    if not spark.is_here():
        pytest.skip("no Spark with Iceberg is installed here (docs/engines.md)")
    with spark.server() as address:
        yield address


# Two days of every sample, which ends yesterday.
DAYS = [str(yesterday().date() - timedelta(days=ago)) for ago in (4, 3)]


def test_a_sample_and_a_second_load_of_it_are_the_same(spark_url: str, sample_dir: Path, tmp_path: Path) -> None:
    built: list[Bench] = [
        BenchHere(tmp_path / "duckdb" / "greenery.duckdb", sample_dir),
        SparkHere(spark_url, tmp_path / "spark" / "greenery.duckdb", sample_dir),
    ]
    for bench in built:
        bench.warehouse.parent.mkdir()
        bench.load()
        # A run that is later than those to come: they note the next microseconds, the same in both.
        note(bench, "insert into landing.dbt_runs values (timestamp '2100-01-01 00:00:00')")
        done = bench.build()
        assert (done.failed, done.skipped) == ((), ())
    assert differences(built[0].warehouse, built[1].warehouse, BUILT) == {}
    for bench in built:
        # As if the events of these days had come again: the tables by day delete and insert them.
        done = bench.build("build", "--exclude-resource-type", "test", "--vars", f"{{days: {DAYS}}}")
        assert done.skipped == ()
    assert differences(built[0].warehouse, built[1].warehouse, BUILT) == {}


def note(bench: Bench, statement: str) -> None:
    """Run a statement in the warehouse that dbt builds in."""
    if isinstance(bench, SparkHere):
        with spark.connection(bench.url) as cursor:
            cursor.execute(statement)
    else:
        with duckdb.connect(str(bench.warehouse)) as connection:
            connection.execute(statement)
