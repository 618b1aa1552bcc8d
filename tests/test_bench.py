"""The measurements at a size at which their numbers mean nothing: that they compare and measure what they say."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast

import duckdb
import pytest
from typer.testing import CliRunner

from bench.__main__ import app
from bench.engines import benches
from bench.history import History, Shop
from bench.scale import full_refresh, measure
from bench.servers import counters
from bench.warehouse import Bench, differences
from greenery_assets.settings import PROJECT_ROOT, PostgresAddress
from greenery_assets.warehouse import Place, WarehouseError
from greenery_assets.warehouse.postgres import connect
from tests.postgres import execute, new_database


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
    with duckdb.connect(str(side.file)) as connection:
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


@pytest.mark.slowest
def test_each_database_that_is_set_up_is_measured_on_the_same_history(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = new_database(postgres_url, "measured")
    monkeypatch.setenv("GREENERY_ENGINE", "duckdb")
    monkeypatch.setenv("GREENERY_POSTGRES_URL", url)
    arguments = ["engines", "--events", "600", "--days", "4", "--more", "1"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    runs = [line for line in done.output.splitlines() if ": wall s " in line]
    kinds = ["load", "full refresh", "all checks", "load of a day", "one day more", "its checks"]
    for engine in ("duckdb", "postgres"):
        found = [line.split(", ", 1)[1] for line in runs if line.startswith(engine)]
        assert [line.partition(":")[0] for line in found] == kinds
        assert all((", server cpu s " in line) == (engine == "postgres") for line in found)
        assert all(", cpu s " in line and ", GB " in line for line in found)
    # It is nobody's data, and no second history is put upon the first.
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "has tables already" in again.output
    assert execute(url, "select count(distinct session_date) from product.int_sessions") == [(5,)]


def test_a_database_that_is_not_set_up_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GREENERY_ENGINE", "duckdb")
    monkeypatch.delenv("GREENERY_POSTGRES_URL", raising=False)
    before = dict(os.environ)
    found, missing = benches(tmp_path, "1GB")
    assert list(found) == ["duckdb"]
    assert "postgres takes no part" in missing[0]
    assert "GREENERY_POSTGRES_URL is not set" in missing[0]
    assert dict(os.environ) == before
    # Nothing measured is no success.
    monkeypatch.setenv("GREENERY_VOLUME_BAND", "wide")
    done = CliRunner().invoke(app, ["engines", "--events", "10", "--days", "1"])
    assert done.exit_code == 2
    assert "duckdb takes no part. These settings cannot be used:\n  GREENERY_VOLUME_BAND='wide'" in done.output


def test_the_cpu_of_a_server_is_that_of_all_its_processes(postgres_url: str) -> None:
    address = PostgresAddress.parse(postgres_url)
    before = counters(address)["server cpu s"]
    with connect(address) as session:
        session.execute("select sum(n) from generate_series(1, 3000000) as numbers (n)")
        there = counters(address)["server cpu s"]
    assert there > before
    # A process that ended is not forgotten.
    assert counters(address)["server cpu s"] >= there


SPARK = cast(Place, "a server that is no PostgreSQL and no file")
STAGES = [
    {"stageId": 1, "attemptId": 0, "executorCpuTime": 1_500_000_000, "inputBytes": 10**9, "shuffleWriteBytes": 0},
    {"stageId": 0, "attemptId": 0, "executorCpuTime": 500_000_000, "inputBytes": 0, "shuffleWriteBytes": 2 * 10**9},
]


@contextmanager
def page_of_spark(stages: list[dict[str, Any]]) -> Iterator[str]:
    """The address of a server that answers as Spark's page does of an application with these stages."""
    answers = {"/api/v1/applications": [{"id": "local-1"}], "/api/v1/applications/local-1/stages": stages}

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path]).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_what_spark_spent_is_what_its_page_shows_of_all_stages() -> None:
    with page_of_spark(STAGES) as ui:
        assert counters(SPARK, ui) == {"executor cpu s": 2.0, "read GB": 1.0, "shuffled GB": 2.0}
    with page_of_spark(STAGES[:1]) as ui, pytest.raises(WarehouseError, match="has forgotten old stages"):
        counters(SPARK, ui)
    with pytest.raises(WarehouseError, match="No page of Spark's server answers at "):
        counters(SPARK, ui)
    assert counters(SPARK) == {}
