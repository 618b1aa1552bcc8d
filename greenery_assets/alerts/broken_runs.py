"""Runs of before alerts began that failed without a check saying why. Reads Dagster's storage, as history does."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from greenery_assets.alerts.failed_runs import failed_run
from greenery_assets.alerts.history import Catalogue, RunEnd, is_ours, job_of, read_run
from greenery_assets.alerts.observations import Outcome, RunObservation, Subject

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]

RECENT_RUNS = 100


def broken_runs(
    instance: dg.DagsterInstance, catalogue: Catalogue, evaluated: Iterable[RunObservation]
) -> list[RunObservation]:
    """The last run of each job where it failed by itself, with what was neither built nor evaluated since.

    `evaluated` tells when each check was evaluated last. Runs that others made good are left out.
    """
    evaluated_at = {found.subject: run.ended_at for run in evaluated for found in run.findings}
    runs = [read_run(instance, end, catalogue) for end in _last_ends(instance, catalogue)]
    left = [_left(instance, run, evaluated_at) for run in runs if run and failed_run(run)]
    return sorted((run for run in left if run), key=lambda run: run.ended_at)


def _last_ends(instance: dg.DagsterInstance, catalogue: Catalogue) -> Iterable[RunEnd]:
    newest: dict[str, RunEnd] = {}
    for job in catalogue.jobs:
        # Some of a job's runs may be of chosen assets only, or of another project.
        for record in instance.get_run_records(dg.RunsFilter(job_name=job, statuses=ENDED), limit=RECENT_RUNS):
            run, at = record.dagster_run, datetime.fromtimestamp(record.end_time or 0, UTC)
            if not is_ours(instance, run, catalogue):
                continue
            end = RunEnd(record.storage_id, run.run_id, run.status.value, at)
            name = job_of(run, catalogue)
            newest[name] = max(end, newest.get(name, end), key=lambda each: each.at)
    return newest.values()


def _left(
    instance: dg.DagsterInstance, run: RunObservation, evaluated_at: dict[Subject, datetime]
) -> RunObservation | None:
    """What a run left that no other has made good since; None where nothing is left of what it planned."""
    not_built = frozenset(name for name in run.not_built if not _is_built_since(instance, name, run.ended_at))
    unknown = [found for found in run.findings if found.outcome == Outcome.UNKNOWN]
    not_evaluated = tuple(found for found in unknown if evaluated_at.get(found.subject, run.ended_at) <= run.ended_at)
    if (run.not_built or unknown) and not (not_built or not_evaluated):
        return None
    return replace(run, findings=not_evaluated, not_built=not_built)


def _is_built_since(instance: dg.DagsterInstance, asset: str, at: datetime) -> bool:
    wanted = dg.AssetRecordsFilter(dg.AssetKey.from_user_string(asset), after_timestamp=at.timestamp())
    return bool(instance.fetch_materializations(wanted, limit=1).records)
