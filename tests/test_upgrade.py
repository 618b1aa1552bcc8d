"""A home and a warehouse of an older release, taken through docs/deployment.md's upgrade.

The dumps in tests/upgrade are of SQLite files that were really written so: the ledger by release 0.2.0, with an open
incident; Dagster's databases by Dagster 1.9.6, with one run that built raw/orders, as release 0.2.0 has today's Dagster
and nothing of it would have to be migrated.
"""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from tests.alerts.projects import ledger_at
from tests.conftest import RunJob, settings_of
from tests.job import ROOT, Home, Outcome

OLD = {
    "history/runs.db": "history_runs.db.sql",
    "history/runs/index.db": "history_runs_index.db.sql",
    "schedules/schedules.db": "schedules_schedules.db.sql",
    "alerts.sqlite": "alerts.sqlite.sql",
}
ORDERS = dg.AssetKey(["raw", "orders"])


def columns(home: Home, table: str) -> set[str]:
    with closing(sqlite3.connect(home.dagster_home / "history" / "runs" / "index.db")) as connection:
        return {name for _, name, *_ in connection.execute(f"pragma table_info({table})")}


@pytest.mark.slowest
def test_an_older_home_and_warehouse_go_on_after_the_migrations(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path, run_job: RunJob
) -> None:
    home = Home.new(tmp_path)
    for name, dump in OLD.items():
        (home.dagster_home / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(home.dagster_home / name)) as connection:
            connection.executescript((ROOT / "tests" / "upgrade" / dump).read_text())
    shutil.copy(built[0].warehouse, home.warehouse)
    with duckdb.connect(str(home.warehouse)) as connection:
        # As release 0.2.0 left it.
        connection.execute("alter table quality.rejected_rows drop column rejected_at")
    assert "using_default_limit" not in columns(home, "concurrency_limits")

    with settings_of(home, sample_dir):
        command = [str(Path(sys.executable).with_name("dagster")), "instance", "migrate"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "using_default_limit" in columns(home, "concurrency_limits")

    outcome = run_job(home, sample_dir)
    assert outcome.success, outcome.faults
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        new, old = instance.get_runs()
        assert "greenery/full_refresh" not in new.tags
        of_orders = instance.fetch_materializations(ORDERS, limit=5).records
        assert [record.run_id for record in of_orders] == [new.run_id, old.run_id]
    assert "rejected_at" in {name for name, *_ in home.query("describe quality.rejected_rows")}
    with closing(ledger_at(f"sqlite:///{home.dagster_home / 'alerts.sqlite'}")) as ledger, ledger.transaction() as book:
        (incident,) = book.open_incidents().values()
        assert incident.subject.asset == "raw/orders"
        assert book.waiting() == []
