"""The dbt project on other engines: every table, every check and every row that a check keeps is equal to DuckDB's.

Floats are compared as they are. What a model computes is not judged here.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from bench.equality import compare_over_loads
from bench.warehouse import Bench, Built, differences
from greenery_assets.privacy import SHOWN_DATA_TYPES
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.warehouse.spark import Server
from tests.conftest import yesterday
from tests.dbt_here import BenchHere
from tests.defects import MUTATIONS
from tests.engines import BUILT, LOADED, PostgresHere
from tests.job import ROOT
from tests.postgres import execute, new_database
from tests.spark_here import SparkHere, address_of, emptied

pytestmark = [
    pytest.mark.slow,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]

MakeBench = Callable[[Path, Path], Bench]

A22 = "no_user_makes_most_of_the_sessions"
SEED = 1000


@pytest.fixture(params=["postgres", "spark"])
def make_bench(request: pytest.FixtureRequest) -> MakeBench:
    """Makes an empty warehouse in another engine, given a DuckDB file to compare it by and a source; one at a time."""
    is_long = request.param == "spark" and request.function is not test_the_sample_is_the_same
    if is_long and not request.config.getoption("--spark"):
        pytest.skip('takes up to half an hour: make test ARGS="--whole --spark"')
    url = request.getfixturevalue(f"{request.param}_url")

    def in_postgres(file: Path, source: Path) -> Bench:
        execute(url, "drop database if exists greenery with (force)")
        return PostgresHere(new_database(url, "greenery"), file, source)

    def in_spark(file: Path, source: Path) -> Bench:
        return SparkHere(emptied(address_of(url, file.parent / "shared")), file, source)

    return in_postgres if request.param == "postgres" else in_spark


class Pair:
    """The same source in DuckDB and in another engine."""

    def __init__(self, make_bench: MakeBench, folder: Path, source: Path) -> None:
        self.duckdb: Bench = BenchHere(folder / "duckdb" / "greenery.duckdb", source)
        self.other = make_bench(folder / "other" / "greenery.duckdb", source)
        for bench in (self.duckdb, self.other):
            bench.warehouse.parent.mkdir(parents=True)
        self.is_first = True

    def run(self, source: Path) -> Built:
        """Load a source folder and build with all checks; what DuckDB built, as did the other."""
        runs = []
        for bench in (self.duckdb, self.other):
            bench.source = source
            bench.load()
            if self.is_first:
                # A run that is later than those to come: they note the next microseconds, the same in both.
                note(bench, "insert into landing.dbt_runs values (timestamp '2100-01-01 00:00:00')")
            runs.append(bench.build())
        self.is_first = False
        built, other = runs
        assert (set(other.failed), set(other.skipped)) == (set(built.failed), set(built.skipped))
        return built

    def differences(self) -> dict[str, int]:
        """Rows that only one of the two has, by table, those that checks keep among them, or else columns."""
        columns = [
            bench.query(
                "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns() "
                f"where schema_name in {BUILT} and schema_name <> 'quality'"
            )
            for bench in (self.duckdb, self.other)
        ]
        assert columns[0]
        different = Counter(table for table, *_ in set(columns[0]) ^ set(columns[1]))
        return different or differences(self.duckdb.warehouse, self.other.warehouse, BUILT)

    def failing(self) -> dict[str, int]:
        """The rows that each check keeps, where it keeps any."""
        names = self.duckdb.query(
            f"select table_name from duckdb_tables() where schema_name = 'quality' and table_name not in {LOADED}"
        )
        counts = {name: self.duckdb.query(f"select count(*) from quality.{name}")[0][0] for (name,) in names}
        return {name: rows for name, rows in counts.items() if rows}


def note(bench: Bench, statement: str) -> None:
    """Run a statement in a warehouse."""
    if isinstance(bench, PostgresHere):
        execute(bench.url, statement)
        return
    if isinstance(bench, SparkHere):
        server = Server(bench.address)
        server.run(statement)
        server.close()
        return
    with duckdb.connect(str(bench.warehouse)) as connection:
        connection.execute(statement)


# Defects by a table that they hold back. Those that only checks further down find are not planted with those that keep
# their tables from being built, and with them what only warns, of which each needs rows of its own.
PLANTED = {defect.partition(":")[0]: defect for defects in MUTATIONS for defect in defects.split()}
DOWNSTREAM = next(defects for defects in MUTATIONS if "checkout_without_order" in defects).split()
WARNINGS = next(defects for defects in MUTATIONS if "order_id_on_page_view" in defects).split()
SAMPLES = {
    "dim_events": tuple(defect for defect in PLANTED.values() if defect not in (*DOWNSTREAM, *WARNINGS)),
    "int_sessions": (*DOWNSTREAM, *WARNINGS),
    # It only warns: what was held back is caught up with.
    "": ("heavy_user",),
}
# Columns of several types, and of text that may be seen, in part, or not.
PREVIEW = {
    "columns": {
        "order_id": [],
        "order_date": [],
        "order_total": [],
        "session_date": [],
        "has_cart": [],
        "quantity": [],
        "repeat_rate": [],
        "zipcode": [],
        "status": ["delivered"],
    },
    "types": SHOWN_DATA_TYPES,
    "rows": 1000,
}


@pytest.mark.slowest
def test_the_sample_is_the_same(make_bench: MakeBench, sample_dir: Path, tmp_path: Path) -> None:
    pair = Pair(make_bench, tmp_path, sample_dir)
    for bench in (pair.duckdb, pair.other):
        bench.environment |= {"DAGSTER_DBT_CLI": "dagster-dbt", "GREENERY_PREVIEW": json.dumps(PREVIEW)}
    assert pair.run(sample_dir).skipped == ()
    assert (pair.failing(), pair.differences()) == ({}, {})
    if isinstance(pair.other, PostgresHere):
        assert pair.other.without_statistics() == []
        assert "brin (created_at)" in pair.other.indexes("core.dim_events")
        # Else a day after ten million events does not end.
        made = [
            node
            for node in pair.other.parsed["postgres", "greenery"].nodes.values()
            if node.config.materialized != "view"
        ]
        assert {node.config.get("sql_header") for node in made} == {"set enable_nestloop = off;"}
    shown = previews(pair.duckdb)
    assert previews(pair.other) == shown
    assert {(), ("zipcode",), ("status",)} <= {masked for *_, masked in shown}
    assert_unit_tests_pass(pair.other)


@pytest.mark.slowest
def test_every_defect_is_found_alike(make_bench: MakeBench, sample_dir: Path, tmp_path: Path) -> None:
    pair = Pair(make_bench, tmp_path, sample_dir)
    assert pair.run(sample_dir).skipped == ()
    found = set()
    for held_back, defects in SAMPLES.items():
        source = tmp_path / f"without_{held_back}"
        generate(SampleSpec(until=yesterday().date(), defects=defects), source)
        skipped = [name.split(".")[2] for name in pair.run(source).skipped]
        assert held_back in skipped if held_back else not skipped
        assert pair.differences() == {}
        found |= set(pair.failing())
    in_sql = set(pair.duckdb.query("select table_name from duckdb_tables() where schema_name = 'quality'"))
    assert {name for checks in MUTATIONS.values() for name in checks if (name,) in in_sql} - found == set()
    assert pair.failing() == {A22: 1}


def previews(bench: Bench) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """What dbt logged of each table it built: its rows, the columns that may be seen, and those that are masked."""
    logged = re.findall(r"greenery_built=(\{.*\})", (bench.target / "dbt.log").read_text())
    return sorted(
        (
            built["rows"],
            tuple(built["columns"]),
            tuple(name for name, *cells in zip(built["columns"], *built["preview"], strict=True) if "[text]" in cells),
        )
        for built in map(json.loads, logged)
    )


def assert_unit_tests_pass(bench: Bench) -> None:
    """Asserts that dbt's unit tests of the models, all of them, pass in a warehouse."""
    done = bench.build("test", "--select", "test_type:unit")
    texts = (path.read_text() for path in ROOT.glob("dbt_project/models/**/*_unit_tests.yml"))
    assert done.failed == ()
    assert {name.split(".")[-1] for name in done.seconds if name.startswith("unit_test.")} == {
        name for text in texts for name in re.findall(r"^  - name: (\w+)", text, re.MULTILINE)
    }


@pytest.mark.slowest
def test_the_real_export_is_the_same(make_bench: MakeBench, real_export: Path, tmp_path: Path) -> None:
    pair = Pair(make_bench, tmp_path, real_export)
    pair.run(real_export)
    # A20 is no check in SQL.
    assert set(pair.failing()) == {A22}
    assert pair.differences() == {}


@pytest.mark.slowest
def test_marts_rebuilt_by_day_equal_a_full_rebuild_on_duckdb(make_bench: MakeBench, tmp_path: Path) -> None:
    def bench(file: Path, source: Path) -> Bench:
        return (BenchHere if file.parent.name == "full" else make_bench)(file, source)

    compared = list(compare_over_loads(tmp_path, loads=12, every=6, seed=SEED, events_a_day=150, bench=bench))
    assert [(one.different, one.rows > 1_000) for one in compared] == [({}, True)] * 2
    happened = " ".join(compared[-1].happened)
    for what in ("came back", "then only", "lost", " built", "held back dim_events", "no events of"):
        assert what in happened, f"this did not happen in this sequence: {what}"
    assert compared[-1].by_day > compared[-1].runs / 2, "most runs rebuilt everything"
