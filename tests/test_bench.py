"""The measurements at a size at which their numbers mean nothing: that they compare and measure what they say."""

from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from bench.history import History, Shop
from bench.scale import full_refresh, measure
from bench.warehouse import Bench, differences
from greenery_assets.settings import PROJECT_ROOT


@pytest.mark.slowest
def test_a_full_refresh_a_day_and_its_checks_are_measured_in_turns(tmp_path: Path) -> None:
    (side,) = measure(tmp_path, [PROJECT_ROOT], events=600, days=4, pairs=1, memory_limit="1GB")
    assert {what: len(costs) for what, costs in side.costs.items()} == {
        "load": 2,
        "full refresh": 1,
        "all checks": 1,
        "one day more": 1,
        "its checks": 1,
    }
    (full,), (day,), (checks,) = (side.costs[what] for what in ("full refresh", "one day more", "its checks"))
    assert set(full.numbers) == {"cpu s", "wall s", "peak GB", "file GB"}
    assert "model.greenery.fact_orders" in full.nodes
    assert set(day.nodes) == set(full.nodes)
    # Hooks run with both.
    assert {name for name in checks.nodes if name in full.nodes and not name.startswith("operation.")} == set()
    with duckdb.connect(str(side.warehouse)) as connection:
        days = connection.execute("select distinct session_date from product.int_sessions").fetchall()
    assert len(days) == 5


@pytest.mark.slowest
def test_a_full_refresh_by_month_is_measured_as_one(tmp_path: Path) -> None:
    history = History(Shop.of_events(20), tmp_path / "source")
    history.write_past(33)
    bench = Bench(tmp_path / "greenery.duckdb", history.folder)
    bench.load()
    assert "model.greenery.fact_orders" in full_refresh(bench, most=1).seconds
    assert bench.query("select count(distinct session_date) from product.int_sessions") == [(33,)]


def test_a_checkout_that_is_not_set_up_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["cost", "--against", str(tmp_path)])
    assert done.exit_code == 2
    assert "run make there" in done.output


def test_two_warehouses_differ_by_rows_that_one_lacks_changed_or_doubled(tmp_path: Path) -> None:
    rows = {"one": "(1, 'a'), (2, 'b'), (3, 'c')", "other": "(1, 'a'), (1, 'a'), (2, 'x')"}
    for name, values in rows.items():
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            connection.execute("create schema core; create schema product; create table product.same as select 1 as n")
            connection.execute(f"create table core.changed as from (values {values}) as rows (n, letter)")
    # 2b and 3c are only in one; the second 1a and 2x only in the other.
    assert differences(tmp_path / "one.duckdb", tmp_path / "other.duckdb") == {"core.changed": 4}
    assert differences(tmp_path / "one.duckdb", tmp_path / "one.duckdb") == {}
