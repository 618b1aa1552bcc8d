"""What is deleted because of its age: runs with their logs, pages, the alerts' memory, and what may hold personal data.

Here: which of it is old and no longer needed. Not here: ticks of schedules and sensors, which Dagster deletes itself
(dagster.yaml), and how the warehouse and the alerts delete (warehouse/loads.py, alerts/ledger.py).
"""

import shutil
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import dagster as dg
import sqlalchemy as sa

from greenery_assets.alerts.ledger import Ledger
from greenery_assets.alerts.project import Catalogue
from greenery_assets.alerts.runs import ENDED, is_ours, last_evaluations, runs_that_count
from greenery_assets.settings import Settings
from greenery_assets.warehouse import WarehouseMissingError, loads, open_for_reading, transaction

# Of so many values each, so that no database finds a statement too long.
BATCH = 500


def purge_history(instance: dg.DagsterInstance, catalogue: Catalogue, settings: Settings, now: datetime) -> int:
    """Delete ended runs older than GREENERY_KEEP_DAYS, and pages and what the alerts remember; returns how many runs.

    Those by which an asset, a check, a key figure or a job is as it is stay, and so do runs of other projects. Raises
    LedgerError.
    """
    before = now - timedelta(days=settings.keep_days)
    needed = {end.run_id for end in runs_that_count(instance, catalogue)}
    for asset in catalogue.project.key_figures:
        # The last one, and the one it is compared with.
        records = instance.fetch_observations(dg.AssetKey.from_user_string(asset), limit=2).records
        needed |= {record.run_id for record in records}
    old = [run.run_id for run in _ended(instance, catalogue, before) if run.run_id not in needed]
    for start in range(0, len(old), BATCH):
        _delete(instance, settings, old[start : start + BATCH])
    # The end of a run that the ledger forgets before Dagster does would be news.
    left = {run.run_id for run in instance.get_runs(dg.RunsFilter(created_before=before))}
    with closing(Ledger.open(catalogue.project)) as ledger, ledger.transaction() as book:
        book.forget(before, left)
    for day, page in settings.report_pages.items():
        if day < before.date():
            page.unlink(missing_ok=True)
    return len(old)


def purge_personal_data(instance: dg.DagsterInstance, catalogue: Catalogue, settings: Settings, now: datetime) -> None:
    """Delete what may hold personal data and is older than GREENERY_KEEP_PERSONAL_DAYS.

    That is the output of runs, dbt's logs, the raw text of rejected rows, and the failing rows of checks that were not
    evaluated since. Call it while nothing else writes to the warehouse. Raises WarehouseError.
    """
    before = now - timedelta(days=settings.keep_personal_days)
    for run in _ended(instance, catalogue, before):
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
    for folder in settings.dbt_target.glob("dbt_models-*"):
        if folder.stat().st_mtime < before.timestamp():
            shutil.rmtree(folder, ignore_errors=True)
    evaluated = {
        finding.subject.name
        for run in last_evaluations(instance, catalogue)
        if run.ended_at >= before
        for finding in run.findings
    }
    with suppress(WarehouseMissingError):
        with open_for_reading(settings.warehouse):
            pass  # else an empty one would be made
        with transaction(settings.warehouse) as connection:
            loads.forget_personal_data(connection, before.astimezone(UTC).replace(tzinfo=None), evaluated)


def _ended(instance: dg.DagsterInstance, catalogue: Catalogue, before: datetime) -> list[dg.DagsterRun]:
    """Our runs that ended, of those created before a time."""
    wanted = dg.RunsFilter(statuses=ENDED, created_before=before)
    return [run for run in instance.get_runs(wanted) if is_ours(instance, run, catalogue)]


def _delete(instance: dg.DagsterInstance, settings: Settings, run_ids: list[str]) -> None:
    """Delete runs, and what Dagster's own deletion leaves of them: output, results of checks, and a file for each."""
    checks = sa.table("asset_check_executions", sa.column("run_id"))
    with cast("Any", instance.event_log_storage).index_connection() as connection:
        connection.execute(sa.delete(checks).where(checks.c.run_id.in_(run_ids)))
    for run_id in run_ids:
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        instance.delete_run(run_id)
    for file in (settings.dagster_home / "history" / "runs").glob("*.db*"):
        run_id = file.name.partition(".")[0]
        if run_id != "index" and not instance.has_run(run_id):
            file.unlink(missing_ok=True)
