"""The measurements at a size at which their numbers mean nothing: that they compare, count and write what they say."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench import results, scale, sensor
from bench.picture import FULL, MORE, cost_curve
from bench.results import Aim, Measured, measure
from bench.seed import UNEXPLAINED, Rivals
from bench.statements import cost_of
from bench.warehouse import differences
from tests.job import Home, Outcome

USERS, CHECKOUTS = "several users in a session", "several checkouts in a session"
TIED, EMPTY = "several first or last orders", "no item in an order"
HALVES = "a mean of half a cent"


@pytest.mark.slow
def test_the_project_tells_what_the_seed_tells_except_what_it_gets_wrong_by_design(tmp_path: Path) -> None:
    rivals = Rivals(tmp_path, events=2_000, days=8, memory_limit="1GB")
    rivals.prepare()
    assert [set(pair) for pair in rivals.pairs(1)] == [{"project", "seed"}]
    compared = rivals.compared()
    assert compared["product.int_page_views"].rows > 1_500
    by_design = {"marketing.fact_user_orders": {HALVES: 1}}
    assert {table: one.different for table, one in compared.items()} == {table: {} for table in compared} | by_design
    assert rivals.floor() > 0
    with duckdb.connect(str(rivals.result("floor")), read_only=True) as connection:
        copied = {name: connection.execute(f"select count(*) from {name}").fetchall() for name in compared}
    assert copied == {name: [(one.rows,)] for name, one in compared.items()}

    with duckdb.connect(str(rivals.bench.warehouse)) as connection:
        checkouts = connection.execute(
            "select session_id, user_id, order_id from core.dim_events where event_type = 'checkout' "
            "qualify row_number() over (partition by user_id) = 1 order by all limit 6"
        ).fetchall()
        sessions, users, orders = zip(*checkouts, strict=True)
        move = "update core.dim_events set session_id = ?, user_id = ? where session_id = ?"
        connection.execute(move, [sessions[0], users[1], sessions[1]])
        connection.execute(move, [sessions[2], users[2], sessions[3]])
        tie = "update core.dim_orders set user_id = ?, order_date = timestamp '2024-01-01' where order_id in (?, ?)"
        connection.execute(tie, [users[4], orders[4], orders[5]])
        connection.execute("delete from core.dim_order_items where order_id = ?", [orders[0]])
    list(rivals.pairs(1))
    assert {table: set(one.different) for table, one in rivals.compared().items()} == {
        "product.int_page_views": {USERS, CHECKOUTS},
        "product.fact_page_views": {USERS, CHECKOUTS},
        "core.int_fact_orders": {EMPTY},
        "core.fact_orders": {TIED, EMPTY},
        "marketing.int_user_orders": set(),
        "marketing.fact_user_orders": {HALVES},
    }

    with duckdb.connect(str(rivals.result("seed"))) as connection:
        connection.execute("update marketing.fact_user_orders set avg_ship_seconds = 1 where user_id = ?", [users[2]])
        connection.execute("delete from marketing.int_user_orders where order_id = ?", [orders[3]])
    compared = rivals.compared()
    assert compared["marketing.fact_user_orders"].different == {HALVES: 2, UNEXPLAINED: 1}
    assert compared["marketing.int_user_orders"].different == {UNEXPLAINED: 1}


def test_a_side_that_does_not_get_through_says_which_and_why(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "inputs.duckdb")).close()
    statements = {"core.large": "create table core.large as select range, hash(range) from range(10000000)"}
    with pytest.raises(RuntimeError, match=r"^seed: core.large: Out of Memory Error"):
        cost_of(statements, tmp_path / "seed" / "x.duckdb", tmp_path / "inputs.duckdb", [], "1MB")


@pytest.mark.slow
def test_a_tick_reads_the_runs_that_are_new(
    built: tuple[Home, Outcome], tmp_path: Path, sample_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built[0].copy(tmp_path)
    home = sensor.Home(tmp_path, sample_dir)
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    assert home.tick().runs == 0
    home.repeat_newest_run(2)
    assert [home.tick().runs, home.tick().runs] == [2, 0]


def test_results_keep_each_measurement_with_its_aims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "bench")

    def measured(folder: Path) -> Measured:
        (folder / "large").touch()
        return Measured(
            [Aim("seed / project", [3.0, 5.00049, 4.5], at_least=4), Aim("tick", [9.0], 8)], {1: [0.123456]}
        )

    measure("one", measured)
    measure("other", lambda _: Measured([Aim("plain", [1.0], unit="s")], None))
    assert [path.name for path in (tmp_path / "bench").iterdir()] == ["results.json"]
    kept = json.loads((tmp_path / "bench" / "results.json").read_text())
    assert [(aim["median"], aim["min"], aim["max"], aim["met"]) for aim in kept["one"]["aims"]] == [
        (4.5, 3, 5, True),
        (9, 9, 9, False),
    ]
    assert (kept["one"]["facts"], kept["other"]["aims"][0]["met"]) == ({"1": [0.1235]}, None)
    assert capsys.readouterr().out.splitlines() == [
        "seed / project: 4.5 (3 to 5); aim: at least 4, met",
        "tick: 9 (9 to 9); aim: at most 8, missed",
        "plain: 1 (1 to 1) s",
    ]


def _history(full: float, more: float, cpu: float) -> dict[str, Any]:
    def builds(models: float) -> list[dict[str, float]]:
        return [
            {"models_s": models * k, "checks_s": models / 2, "cpu_s": cpu * k, "wall_s": 1.0, "peak_gb": 4.4}
            for k in (1, 1.1)
        ]

    return {
        "full": builds(full),
        "days": builds(more),
        "checked_days": builds(more),
        "all_checks": builds(full)[:1],
        "floor": [{"cpu_s": 4.0}] * 2,
    }


def test_one_more_day_is_judged_after_the_longest_history() -> None:
    found = {36: _history(50, 9, 6), 358: _history(900, 10, 9)}
    assert {aim.is_met for aim in scale.aims(found, events_a_day=28_000)} == {None}
    met = {aim.what: aim.is_met for aim in scale.aims(found, events_a_day=280_000)}
    assert {what: is_met for what, is_met in met.items() if is_met is not None} == {
        "358 days: full refresh, peak": True,
        "358 days: full refresh / floor, cpu": False,
        "358 days: full refresh / one day more, models": True,
        "358 days: one day's checks / its models": True,
        "358 days: all checks / full refresh": False,
        "one day more after 358 days / after 36, models": True,
    }


def test_the_cost_curve_shows_both_lines_and_every_length() -> None:
    histories = {36: _history(50, 0.9, 6), 120: _history(220, 9, 8), 358: _history(900, 10, 9)}
    drawn = cost_curve({"events_a_day": 280_000, "histories": histories})
    for words in (FULL, MORE, "280,000 events a day", ">36<", ">120<", ">358<", ">945<", ">0.1<"):
        assert words in drawn


def test_two_warehouses_differ_by_rows_that_one_lacks_changed_or_doubled(tmp_path: Path) -> None:
    rows = {"one": "(1, 'a'), (2, 'b'), (3, 'c')", "other": "(1, 'a'), (1, 'a'), (2, 'x')"}
    for name, values in rows.items():
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            connection.execute("create schema core; create schema product; create table product.same as select 1 as n")
            connection.execute(f"create table core.changed as from (values {values}) as rows (n, letter)")
    # 2b and 3c are only in one; the second 1a and 2x only in the other.
    assert differences(tmp_path / "one.duckdb", tmp_path / "other.duckdb") == {"core.changed": 4}
    assert differences(tmp_path / "one.duckdb", tmp_path / "one.duckdb") == {}
