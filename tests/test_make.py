"""What `make clean` and `make clean-all` remove, what they keep, and that they say so."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.job import ROOT

MADE_AGAIN = (
    ".venv/bin/python", "data/sample/events.csv", "data/report/alerts.html", "dbt_project/target/manifest.json",
    "dbt_project/logs/dbt.log", ".pytest_cache/x", "greenery_assets.egg-info/PKG-INFO",
)  # fmt: skip
# The snapshot of the orders is in the warehouse, the memory of the alerts in Dagster's home.
NEVER_AGAIN = (
    "data/greenery.duckdb", "data/greenery.duckdb.wal", "dagster_home/alerts.sqlite", "dagster_home/history/runs.db",
    "dagster_home/schedules/schedules.db", "data/greenery.sample-20260101T070000.duckdb",
    "data/greenery.before-20260101T070000.duckdb", "data/greenery.unfinished.duckdb",
    "data/greenery.unfinished.duckdb.wal",
)  # fmt: skip
OURS = (
    "Makefile", ".env", "dagster_home/dagster.yaml", "dbt_project/dbt_project.yml", "greenery_assets/settings.py",
    "data/mine/orders.csv", "elsewhere/shop.duckdb",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with a bit of everything that is made in it."""
    for name in (*MADE_AGAIN, *NEVER_AGAIN, *OURS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def make(target: str, project: Path) -> str:
    return subprocess.run(["make", target], cwd=project, capture_output=True, text=True, check=True).stdout


def left(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}


def test_clean_keeps_what_cannot_be_made_again_and_says_so(project: Path) -> None:
    said = make("clean", project)
    assert left(project) == {*NEVER_AGAIN, *OURS}
    for name in (".venv", "data/sample", "data/report", "dbt_project/target"):
        assert name in said.partition("Keeping")[0]
    for name in ("data/greenery.duckdb", "orders_snapshot", "dagster_home", "alerts.sqlite", "make clean-all"):
        assert name in said.partition("Keeping")[2]
    assert "must be made again with them" in said
    assert "data/greenery.sample-<time>.duckdb" in said.partition("Keeping")[2]
    assert "nothing; it is clean" in make("clean", project)


def test_clean_all_removes_the_rest_that_was_made_and_says_what(project: Path) -> None:
    said = make("clean-all", project)
    assert left(project) == set(OURS)
    for name in ("data/sample", "Removing for good: data/greenery.duckdb", "all in dagster_home but dagster.yaml"):
        assert name in said
