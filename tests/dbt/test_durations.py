"""How long models and checks took is noted at the end of each run of dbt, in each database, and goes with age."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.history import History, Shop
from bench.warehouse import Bench
from greenery_assets.settings import PostgresAddress
from greenery_assets.warehouse import open_for_reading, transaction
from tests.dbt_here import BenchHere
from tests.engines import PostgresHere
from tests.postgres import new_database

pytestmark = [
    pytest.mark.slow,
    # dbt leaves its log open when it runs in this process.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
KINDS = (
    "select kind, is_complete, count(*) > 100 from quality.durations group by run_at, kind, is_complete order by run_at"
)


def on_postgres(request: pytest.FixtureRequest, folder: Path, source: Path) -> Bench:
    url = new_database(request.getfixturevalue("postgres_url"), "durations")
    return PostgresHere(url, folder / "greenery.duckdb", source)


def on_duckdb(_: pytest.FixtureRequest, folder: Path, source: Path) -> Bench:
    return BenchHere(folder / "greenery.duckdb", source)


@pytest.mark.slowest
@pytest.mark.parametrize("begin", [on_duckdb, on_postgres])
def test_each_run_notes_its_kind_and_the_seconds_of_what_it_did(
    begin: Callable[..., Bench], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    history = History(Shop.of_events(300), tmp_path / "source")
    history.write_past(4)
    bench = begin(request, tmp_path, tmp_path / "source")
    place = bench.address if isinstance(bench, PostgresHere) else bench.warehouse
    assert isinstance(place, Path | PostgresAddress)
    bench.load()
    with transaction(place) as connection:
        connection.execute(
            "insert into quality.durations values ('old', timestamp '2024-01-01', 'x', true, 'x', 'x', 1)"
        )
    bench.environment |= {"GREENERY_RUN_ID": "4f6c", "GREENERY_CHECKS": "new", "GREENERY_KEEP_DAYS": "400"}
    bench.build("build", "--full-refresh")
    bench.build("build", "--select", "fact_daily")
    bench.environment["GREENERY_CHECKS"] = "all"
    seconds = bench.build().seconds
    if isinstance(place, Path):
        # A quick check of a change, as CI makes it on DuckDB.
        bench.build("build", "--empty", "--select", "fact_daily")
    with open_for_reading(place) as connection:
        assert connection.execute(KINDS).fetchall() == [
            ("full refresh", True, True),
            ("affected days", False, False),
            ("all checks", True, True),
        ]
        last = connection.execute(
            "select run_id, resource_type, name, seconds from quality.durations where kind = 'all checks'"
        ).fetchall()
    # As dbt itself has them.
    assert {run_id for run_id, *_ in last} == {"4f6c"}
    kinds = ("model", "snapshot", "test")
    assert {(kind, name.rpartition(".")[2]): took for _, kind, name, took in last} == {
        (kind, unique_id.split(".")[2]): pytest.approx(took, abs=0.001)
        for unique_id, took in seconds.items()
        if (kind := unique_id.partition(".")[0]) in kinds
    }
    assert {"marketing.fact_repeat_rate", "order_has_at_most_one_checkout"} <= {name for _, _, name, _ in last}
