"""What runs showed, read out of Dagster's own storage and the ledger. Judges nothing.

The one module of this package that others read it by: a page on the state of the data needs nothing else of it. Runs
are read one by one with `get_records_for_run`: on Dagster's default storage, event records of all runs cannot be read
from a cursor on.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

import dagster as dg

from greenery_assets.alerts.blocks import duration_in_words, quoted
from greenery_assets.alerts.incidents import (
    AD_HOC_JOB,
    RETRIED,
    Finding,
    MartState,
    Outcome,
    RunObservation,
    Sample,
    Severity,
    Subject,
)
from greenery_assets.alerts.inhibit import Lineage
from greenery_assets.alerts.ledger import READ_TO, Ledger, Seen
from greenery_assets.alerts.project import Catalogue, Project, subject_of
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.wording import (
    counts,
    figures_by_age,
    figures_of,
    found,
    in_one_line,
    owner_name,
    reference,
    severity_word,
    status,
    tally,
)

# With what is defined here: all that another reader of runs needs.
__all__ = [
    "Catalogue", "Finding", "LedgerError", "MartState", "Outcome", "Project", "RunObservation", "Seen", "Severity",
    "Subject", "counts", "duration_in_words", "figures_by_age", "figures_of", "found", "in_one_line",
    "owner_name", "quoted", "reference", "severity_word", "status", "tally",
]  # fmt: skip

RUN_ENDS = (dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED)
OF_INTEREST = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}
# Dagster's own limit for one query.
PAGE = 1000
# Transactions of a shared database may become visible out of the order of their ids.
OVERLAP = 500
WILL_RETRY_TAG = "dagster/will_retry"
UNTIL_RETRIES_ARE_NOTED = timedelta(seconds=10)
RECENT_EXECUTIONS = 20
RECENT_RUNS = 100
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
LONGEST_PROBLEM = 600
QUERY_INTERRUPTED = "RuntimeError: Query interrupted"


@dataclass(frozen=True, order=True)
class RunEnd:
    """The event of a run having ended: its place in Dagster's log, and the run."""

    storage_id: int
    run_id: str
    status: str
    at: datetime


def run_ends(instance: dg.DagsterInstance, after: int = 0, since: datetime | None = None) -> list[RunEnd]:
    """Runs that ended after a place in the log, and since a time, in order.

    Some of before that place are given again: whoever remembers which were seen loses none.
    """
    found: list[RunEnd] = []
    for kind in RUN_ENDS:
        page = _ends(instance, kind, max(after - OVERLAP, 0), since=since)
        found += page
        while len(page) == PAGE:
            page = _ends(instance, kind, page[-1].storage_id, since=since)
            found += page
    return sorted(found)


def newest_run_end(instance: dg.DagsterInstance) -> RunEnd | None:
    """The last run that ended, None where none did."""
    return max((end for kind in RUN_ENDS for end in _ends(instance, kind, limit=1, ascending=False)), default=None)


def may_be_retried(instance: dg.DagsterInstance, end: RunEnd, now: datetime) -> bool:
    """Whether it is not known yet if another attempt follows: Dagster notes that a moment after the end."""
    # An end that lies further ahead was noted by a clock that was wrong: nothing is waited for then.
    if end.status != "FAILURE" or not instance.run_retries_enabled or abs(now - end.at) > UNTIL_RETRIES_ARE_NOTED:
        return False
    run = instance.get_run_by_id(end.run_id)
    return run is not None and WILL_RETRY_TAG not in run.tags


def is_ours(instance: dg.DagsterInstance, run: dg.DagsterRun, catalogue: Catalogue) -> bool:
    """Whether a run is of this project: another one may share the instance, and name its jobs alike.

    A run that the web interface or the daemon launched says which code location it is of. Of others, and where that is
    not our own, which may have been renamed, it counts what they select, plan and are made of: anything of ours makes a
    run ours.
    """
    is_known = run.job_name in catalogue.jobs
    origin = run.remote_job_origin
    is_named = origin is not None and catalogue.location != ""
    if origin and is_named and origin.repository_origin.code_location_origin.location_name == catalogue.location:
        return True
    selected = {*(run.asset_selection or ()), *(check.asset_key for check in run.asset_check_selection or ())}
    # What a run planned is read only where its job's name and steps alone would have to distinguish it from another's.
    if not selected and (is_named or not is_known):
        planned = _events(instance, run.run_id, {dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED})
        selected = {event.asset_materialization_planned_data.asset_key for event, _ in planned}
    if selected:
        return not catalogue.lineage.groups.keys().isdisjoint(key.to_user_string() for key in selected)
    if not is_known:
        return False
    if run.job_snapshot_id and instance.has_job_snapshot(run.job_snapshot_id):
        return not catalogue.steps.isdisjoint(instance.get_job_snapshot(run.job_snapshot_id).node_names)
    return not is_named


def read_run(instance: dg.DagsterInstance, end: RunEnd, catalogue: Catalogue) -> RunObservation | None:
    """What an ended run did; None where it is not of this project, or was deleted meanwhile."""
    record = instance.get_run_record_by_id(end.run_id)
    if record is None or not is_ours(instance, record.dagster_run, catalogue):
        return None
    run = record.dagster_run
    planned_checks: set[dg.AssetCheckKey] = set()
    evaluations: dict[tuple[dg.AssetCheckKey, str], dg.AssetCheckEvaluation] = {}
    planned: set[str] = set()
    built: dict[str, datetime] = {}
    problems: list[str] = []
    for event, at in _events(instance, end.run_id, OF_INTEREST):
        match event.event_type:
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                planned_checks.add(event.asset_check_planned_data.asset_check_key)
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                evaluation = event.asset_check_evaluation_data
                evaluations[evaluation.asset_check_key, evaluation.partition or ""] = evaluation
            case dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                planned.add(event.asset_materialization_planned_data.asset_key.to_user_string())
            case dg.DagsterEventType.ASSET_MATERIALIZATION:
                built[event.step_materialization_data.materialization.asset_key.to_user_string()] = at
            case _:
                problems += _problem(event, catalogue.project, is_known=bool(problems))
    checked = {key.asset_key.to_user_string() for key in (*planned_checks, *(key for key, _ in evaluations))}
    named = planned | built.keys() | checked
    if named and named.isdisjoint(catalogue.lineage.groups):
        # A job of another project, of the same name.
        return None
    # Checks that are gone since are not ours to judge.
    unknown = (planned_checks & catalogue.checks.keys()) - {key for key, _ in evaluations}
    findings = [
        finding_of(evaluation, catalogue) for (key, _), evaluation in evaluations.items() if key in catalogue.checks
    ]
    findings += [_said(key, catalogue) for key in unknown]
    not_built = planned - built.keys()
    # The owner of what lies furthest upstream can fix what kept it from being built.
    first = min(not_built, key=lambda name: (catalogue.lineage.depth(name), name), default="")
    retried = end.status == "FAILURE" and run.tags.get(WILL_RETRY_TAG) == "true"
    return RunObservation(
        run_id=end.run_id,
        job=job_of(run, catalogue),
        status=RETRIED if retried else end.status,
        started_at=_utc(record.start_time or record.create_timestamp.timestamp()),
        ended_at=end.at,
        findings=tuple(findings),
        built=frozenset(built),
        not_built=frozenset(not_built),
        data_of=built | _built_before(instance, end.at, _marts_to_date(catalogue.lineage, findings, not_built, built)),
        problem="\n".join(problems),
        owner=catalogue.owners.get(first, ""),
    )


def last_evaluations(instance: dg.DagsterInstance, catalogue: Catalogue) -> list[RunObservation]:
    """How each check was found the last time it was evaluated, by the runs that found it, oldest first."""
    found: dict[str, list[tuple[Finding, datetime]]] = {}
    for run_id, at, evaluation in _evaluated_last(instance, catalogue):
        found.setdefault(run_id, []).append((finding_of(evaluation, catalogue), at))
    runs = []
    for run_id, evaluated in found.items():
        at = max(at for _, at in evaluated)
        runs.append(RunObservation(run_id, "", "SUCCESS", at, at, tuple(finding for finding, _ in evaluated)))
    return sorted(runs, key=lambda run: run.ended_at)


def _evaluated_last(
    instance: dg.DagsterInstance, catalogue: Catalogue
) -> Iterator[tuple[str, datetime, dg.AssetCheckEvaluation]]:
    """The last evaluation of each check, with its run and its time."""
    for key in catalogue.checks:
        # The newest are often enough: one may have been planned, and not evaluated.
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=RECENT_EXECUTIONS):
            event = record.event and record.event.dagster_event
            if record.event and event and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                yield record.run_id, _utc(record.event.timestamp), event.asset_check_evaluation_data
                break


def runs_that_count(instance: dg.DagsterInstance, catalogue: Catalogue) -> list[RunEnd]:
    """The ended runs by which everything is as it is, oldest first.

    They evaluated a check last, built an asset last, or were the last of their job.
    """
    ids = {run_id for run_id, _, _ in _evaluated_last(instance, catalogue)}
    ids |= {record.run_id for record in _built_last(instance, catalogue.lineage.groups).values()}
    records = list(instance.get_run_records(dg.RunsFilter(run_ids=sorted(ids), statuses=ENDED))) if ids else []
    for job in catalogue.jobs:
        found: set[str] = set()
        # Some of a job's runs may be of chosen assets only, or of another project.
        for record in instance.get_run_records(dg.RunsFilter(job_name=job, statuses=ENDED), limit=RECENT_RUNS):
            name = job_of(record.dagster_run, catalogue)
            if name not in found and is_ours(instance, record.dagster_run, catalogue):
                found.add(name)
                records.append(record)
    ends = {
        record.dagster_run.run_id: RunEnd(
            record.storage_id, record.dagster_run.run_id, record.dagster_run.status.value, _utc(record.end_time or 0)
        )
        for record in records
    }
    return sorted(ends.values(), key=lambda end: end.at)


def job_of(run: dg.DagsterRun, catalogue: Catalogue) -> str:
    """The job that a run was of; only some of a job's assets are no run of it, but of chosen assets."""
    is_part = run.asset_selection != catalogue.built if run.asset_selection else bool(run.asset_check_selection)
    return AD_HOC_JOB if is_part else run.job_name


def is_sample_data(instance: dg.DagsterInstance, catalogue: Catalogue) -> bool:
    """Whether the source tables were last loaded from sample data, as the load says of them itself."""
    mark, groups = catalogue.project.sample_mark, catalogue.lineage.groups
    if mark is None:
        return False
    loads = _built_last(instance, [name for name, group in groups.items() if group == mark.group]).values()
    last = max(loads, key=lambda record: record.timestamp, default=None)
    materialization = last and last.asset_materialization
    said = materialization.metadata.get(mark.metadata) if materialization else None
    return said is not None and said.value == mark.value


def figures(instance: dg.DagsterInstance, project: Project) -> tuple[dict[str, float], datetime | None]:
    """The key figures of what their tables hold now, as shares from 0 to 1, and when the newest of these was built.

    What was drawn before that shows figures of before. One that was not recorded since its table was built last is left
    out: a picture of that table may say otherwise.
    """
    built = _built_last(instance, project.key_figures)
    found = {}
    for asset, name in project.key_figures.items():
        for record in instance.fetch_observations(dg.AssetKey.from_user_string(asset), limit=1).records:
            said = record.asset_observation.metadata.get(name) if record.asset_observation else None
            if said and (asset not in built or record.timestamp >= built[asset].timestamp):
                found[name.replace("_", " ")] = float(str(said.value))
    return found, max((_utc(record.timestamp) for record in built.values()), default=None)


def changes(instance: dg.DagsterInstance, project: Project) -> tuple[datetime, str] | None:
    """What moved since an earlier day, in words, and when that was recorded."""
    asset, name = project.changes or ("", "")
    built = _built_last(instance, [asset] if asset else []).get(asset)
    said = built.asset_materialization.metadata.get(name) if built and built.asset_materialization else None
    return (_utc(built.timestamp), str(said.value)) if built and said else None


def _built_last(instance: dg.DagsterInstance, assets: Iterable[str]) -> dict[str, dg.EventLogRecord]:
    """The event by which each asset was last built, of those that ever were."""
    keys = [dg.AssetKey.from_user_string(asset) for asset in assets]
    entries = [record.asset_entry for record in instance.get_asset_records(keys)] if keys else []
    last = {entry.asset_key.to_user_string(): entry.last_materialization_record for entry in entries}
    return {asset: record for asset, record in last.items() if record}


def _ends(
    instance: dg.DagsterInstance,
    kind: dg.DagsterEventType,
    after: int | None = None,
    *,
    since: datetime | None = None,
    limit: int = PAGE,
    ascending: bool = True,
) -> list[RunEnd]:
    wanted = dg.RunStatusChangeRecordsFilter(
        cast("Any", kind), after_storage_id=after, after_timestamp=since.timestamp() if since else None
    )
    records = instance.fetch_run_status_changes(wanted, limit=limit, ascending=ascending).records
    status = kind.value.removeprefix("PIPELINE_")
    return [RunEnd(record.storage_id, record.run_id, status, _utc(record.timestamp)) for record in records]


def _events(
    instance: dg.DagsterInstance, run_id: str, kinds: set[dg.DagsterEventType]
) -> Iterator[tuple[dg.DagsterEvent, datetime]]:
    cursor, has_more = None, True
    while has_more:
        page = instance.get_records_for_run(run_id, cursor, kinds, limit=PAGE)
        for record in page.records:
            if event := record.event_log_entry.dagster_event:
                yield event, _utc(record.timestamp)
        cursor, has_more = page.cursor, page.has_more


def was_stopped(event: dg.DagsterEvent) -> bool:
    """Whether a step failed because somebody interrupted it."""
    error = event.step_failure_data.error
    while error:
        # DuckDB has no type of its own for a signal that came while it was at work.
        said = error.cls_name, error.message.strip()
        if error.cls_name == "DagsterExecutionInterruptedError" or said == ("RuntimeError", QUERY_INTERRUPTED):
            return True
        error = error.cause or error.context
    return False


def _problem(event: dg.DagsterEvent, project: Project, *, is_known: bool) -> list[str]:
    """Why a run failed, in words that hold no data: an exception's own text may quote a row."""
    if event.event_type == dg.DagsterEventType.STEP_FAILURE:
        failure = event.step_failure_data
        if was_stopped(event):
            return ["The run was stopped by hand."]
        if failure.user_failure_data:
            said = failure.user_failure_data.metadata.get(project.shareable_reason)
            return [project.mask(str(said.value))[:LONGEST_PROBLEM]] if said else []
        name = (failure.error.cause or failure.error).cls_name if failure.error else "an error"
        return [] if name == "DagsterAssetCheckFailedError" else [f"The step {event.step_key} failed: {name}."]
    # Whoever only reports that a run is dead leaves no data with the event.
    failed_step = event.event_specific_data and event.job_failure_data.first_step_failure_event
    if is_known or failed_step:
        return []
    return ["The run did not come to its end: its process was killed, or could not start."]


def finding_of(evaluation: dg.AssetCheckEvaluation, catalogue: Catalogue) -> Finding:
    given = {name: value.value for name, value in evaluation.metadata.items()}
    found = _said(evaluation.asset_check_key, catalogue, given)
    outcome = Outcome.PASSED
    if not evaluation.passed:
        outcome = Outcome.ERRORED if given.get("status") == "error" else Outcome.FAILED
    return replace(
        found,
        subject=replace(found.subject, partition=evaluation.partition or ""),
        outcome=outcome,
        severity=Severity(evaluation.severity.value),
        reason=catalogue.project.mask(evaluation.description or ""),
        failing_rows=int(str(given.get("failing_rows", 0))),
        rows_checked=int(str(given["rows_checked"])) if "rows_checked" in given else None,
        kept_in=str(given.get("kept_in", "")),
        sample=_sample(evaluation.metadata.get("sample"), catalogue.project),
    )


def _said(key: dg.AssetCheckKey, catalogue: Catalogue, given: Mapping[str, object] = MappingProxyType({})) -> Finding:
    """What is known of a check whatever it finds: what its evaluation gave, else its spec. Taken as not evaluated."""
    spec = catalogue.checks.get(key)
    known = {name: str(value) for name, value in {**(spec.metadata if spec else {}), **given}.items()}
    return Finding(
        subject=subject_of(key),
        outcome=Outcome.UNKNOWN,
        severity=Severity(known.get("severity", Severity.WARN)),
        statement=(spec and spec.description) or f"{key.name} holds.",
        owner=known.get("owner", ""),
        assumption=known.get("assumption", ""),
        why=known.get("why", ""),
        remedy=known.get("remedy", ""),
        affects=known.get("affects", ""),
        use=known.get("use", ""),
    )


def _sample(value: dg.MetadataValue[Any] | None, project: Project) -> Sample:
    if not isinstance(value, dg.TableMetadataValue):
        return Sample()
    columns = tuple(column.name for column in value.schema.columns if column.name in project.shareable_columns)
    return Sample(columns, tuple(tuple(str(row.data.get(name, "")) for name in columns) for row in value.records))


def _marts_to_date(
    lineage: Lineage, findings: Iterable[Finding], not_built: Iterable[str], built: Mapping[str, datetime]
) -> set[str]:
    """The marts that a message may speak of and that this run did not build."""
    touched = set(not_built)
    for finding in findings:
        if finding.outcome.is_failing:
            touched.update(lineage.marts_from(finding.subject.asset))
    return {name for name in touched - built.keys() if lineage.is_mart(name)}


def _built_before(instance: dg.DagsterInstance, at: datetime, assets: Iterable[str]) -> dict[str, datetime]:
    times = {}
    for name in assets:
        wanted = dg.AssetRecordsFilter(dg.AssetKey.from_user_string(name), before_timestamp=at.timestamp())
        for record in instance.fetch_materializations(wanted, limit=1).records:
            times[name] = _utc(record.timestamp)
    return times


def _utc(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


@dataclass(frozen=True)
class Remembered:
    """What the ledger holds: findings of past runs, how far Dagster's log was read, and since when checks fail."""

    seen: list[Seen] = field(default_factory=list)
    read_to: int | None = None
    since: Mapping[Subject, datetime] = field(default_factory=dict)


def remembered(project: Project, limit: int) -> Remembered:
    """What the ledger holds of the last `limit` runs of each check. Raises LedgerError."""
    with closing(Ledger.open(project)) as ledger, ledger.transaction() as book:
        since = {incident.subject: incident.opened_at for incident in book.open_incidents().values()}
        read_to = book.progress(READ_TO)
        return Remembered(book.last_seen(limit), int(read_to) if read_to is not None else None, since)
