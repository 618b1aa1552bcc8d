"""What is old goes, by the job that does it every week; what is still read stays, and nobody is notified again."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import text

from greenery_assets.dbt.project import DBT_PROJECT_DIR
from greenery_assets.settings import load_settings
from tests.conftest import close_sqlite, report_now, settings_of
from tests.job import Home, Outcome
from tests.replay import replay

pytestmark = pytest.mark.slow

OLD = timedelta(days=500)


@contextmanager
def retention(home: Home, source: Path) -> Iterator[tuple[dg.DagsterInstance, dg.Definitions]]:
    """The instance of a home, and the definitions, with its settings."""
    with settings_of(home, source):
        from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

        with dg.DagsterInstance.get() as instance:
            yield instance, defs


def purge(instance: dg.DagsterInstance, now: datetime) -> int:
    from greenery_assets.definitions import catalogue  # noqa: PLC0415  reads the settings
    from greenery_assets.retention import purge_history  # noqa: PLC0415

    return purge_history(instance, catalogue(), load_settings(), now)


def run_of(instance: dg.DagsterInstance) -> str:
    return next(run.run_id for run in instance.get_runs() if run.job_name == "daily_job")


def left_of(home: Home, instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """Where something of a run is left."""
    index = instance.event_log_storage.index_connection()  # type: ignore[attr-defined]
    with index as connection:
        rows = {
            table: connection.execute(text(f"select count(*) from {table} where run_id = :id"), {"id": run_id}).scalar()
            for table in ("event_logs", "asset_check_executions")
        }
    files = [path.name for path in home.dagster_home.rglob(f"*{run_id}*")]
    return files + [table for table, count in rows.items() if count]


def size(home: Home) -> int:
    close_sqlite()
    return sum(path.stat().st_size for path in home.dagster_home.rglob("*") if path.is_file())


def test_old_runs_go_with_all_that_is_theirs_and_the_homes_size_stays_bounded(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    with retention(home, sample_dir) as (instance, _):
        runs, sizes, grown = [run_of(instance)], [], 0
        # Of 400 days there are two such runs at a time.
        for number in range(1, 5):
            at = datetime.now(UTC) + timedelta(days=250 * number)
            runs.append(replay(instance, runs[-1], at))
            grown = size(home)
            assert {"event_logs", "asset_check_executions"} < set(left_of(home, instance, runs[-1]))
            assert purge(instance, at) == (number > 1)
            sizes.append(size(home))
        for run_id in runs[:-2]:
            assert left_of(home, instance, run_id) == []
        for run_id in runs[-2:]:
            assert {"event_logs", "asset_check_executions"} < set(left_of(home, instance, run_id))
    assert sizes[-1] <= sizes[1] * 1.02, sizes
    assert grown > sizes[-1] * 1.1


def test_what_is_as_it_is_by_an_old_run_stays_however_old_it_is(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    before = report_now(home, sample_dir)
    with retention(home, sample_dir) as (instance, defs):
        graph = defs.resolve_asset_graph()
        assert purge(instance, datetime.now(UTC) + 10 * OLD) == 0
        keys = sorted(graph.materializable_asset_keys)
        assert [key for key in keys if instance.get_latest_materialization_event(key) is None] == []
        history = instance.event_log_storage.get_asset_check_execution_history
        assert [key for key in graph.asset_check_keys if not history(key, limit=1)] == []
    assert report_now(home, sample_dir) == before


def test_the_weekly_job_deletes_by_the_settings_and_leaves_counts(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = built[0].copy(tmp_path)
    old_logs, new_logs = (DBT_PROJECT_DIR / "target" / f"dbt_models-{name}" for name in ("old", "new"))
    for folder, days in ((old_logs, 8), (new_logs, 6)):
        folder.mkdir(exist_ok=True)
        os.utime(folder, (time.time() - days * 86_400,) * 2)
    monkeypatch.setenv("GREENERY_KEEP_DAYS", "20")
    monkeypatch.setenv("GREENERY_KEEP_PERSONAL_DAYS", "7")
    now = datetime.now(UTC)
    pages = [home.report / f"state_of_the_data_{now.date() - timedelta(days=days)}.html" for days in (21, 20, 0)]
    for page in (*pages, home.report / "state_of_the_data_2020-02-30.html"):
        page.touch()
    with retention(home, sample_dir) as (instance, defs):
        newest = run_of(instance)
        gone, quiet, newest = (replay(instance, newest, now - timedelta(days=days)) for days in (21, 8, 0))
        result = defs.resolve_job_def("retention_job").execute_in_process(instance=instance, raise_on_error=False)
        assert result.success
        assert left_of(home, instance, gone) == []
        # Its output may quote rows; its events do not.
        assert instance.has_run(quiet)
        assert not (Path(instance.storage_directory()) / quiet).exists()
        assert (Path(instance.storage_directory()) / newest).exists()
    assert (old_logs.exists(), new_logs.exists()) == (False, True)
    new_logs.rmdir()
    assert [page.exists() for page in pages] == [False, True, True]
    assert (home.report / "state_of_the_data_2020-02-30.html").exists(), "which is no day"
    tables = {name for (name,) in home.query("select table_name from information_schema.tables")}
    assert "order_has_at_most_one_checkout" in tables, "the failing rows of a check that was just evaluated stay"


def test_the_schedule_is_weekly_and_runs_by_itself() -> None:
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    schedule = defs.resolve_schedule_def("retention_schedule")
    assert (schedule.cron_schedule, schedule.job_name) == ("0 5 * * 0", "retention_job")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
