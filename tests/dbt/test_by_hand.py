"""dbt started by hand, as docs/dbt_by_hand.md says, does what a dbt engineer expects, and a later run knows of it."""

import shutil
from pathlib import Path

import duckdb
import pytest

from greenery_assets.dbt.project import prepared_manifest
from greenery_assets.dbt.refresh import INCOMPLETE, full_refresh_reason
from greenery_assets.settings import working_file
from tests.dbt_here import BenchHere

pytestmark = [
    pytest.mark.slow,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


@pytest.mark.slowest
def test_tables_that_were_built_empty_are_all_rebuilt_by_the_next_run(
    built_warehouse: Path, sample_dir: Path, tmp_path: Path
) -> None:
    bench = BenchHere(tmp_path / "greenery.duckdb", sample_dir)
    shutil.copy(built_warehouse, working_file(bench.warehouse.with_name("greenery.duckdb")))
    counted = (
        "select (select count(*) from snapshots.orders_snapshot), (select count(*) from snapshots.inventory_snapshot)"
    )
    [history] = bench.query(counted)
    done = bench.build("build", "--empty")
    assert (done.failed, done.skipped) == ((), ())
    assert bench.query("select count(*) from core.fact_orders") == [(0,)]
    with duckdb.connect(str(bench.warehouse), read_only=True) as connection:
        assert full_refresh_reason(connection, prepared_manifest()) == INCOMPLETE
    # It cannot be rebuilt.
    assert bench.query(counted) == [history]
    assert 0 not in history


def test_source_freshness_has_the_age_of_the_settings() -> None:
    timed = {
        source["name"]: source["config"]["freshness"]["warn_after"]
        for source in prepared_manifest()["sources"].values()
        if source["config"]["freshness"]["warn_after"]["count"]
    }
    assert timed == {name: {"count": 36 * 60, "period": "minute"} for name in ("events", "orders")}
