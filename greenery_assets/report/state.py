"""How checks, sources and marts stand, read from Dagster's history and the alert ledger.

Nothing is written, but for the ledger's own tables where it is opened for the first time.

The ledger knows the runs that the sensor has read; those that ended since, and the one that builds the page, are read
from Dagster.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from greenery_assets.alerts.runs import (
    Catalogue,
    Finding,
    LedgerError,
    Outcome,
    Project,
    Remembered,
    RunEnd,
    RunObservation,
    Seen,
    Subject,
    figures_of,
    is_ours,
    is_sample_data,
    last_evaluations,
    read_run,
    remembered,
    run_ends,
)
from greenery_assets.dbt.groups import position
from greenery_assets.report.facts import CheckFacts, DailyRunFacts, PastRun, ReportFacts, SourceFacts, Standing

DAILY_JOB = "daily_job"
REPORTING = "reporting"
RUNS_SHOWN = 30
# Among so many there is one of ours that is not queued or going on.
RECENT_DAILY_RUNS = 30
UNREAD_RUNS = 30


def read_facts(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    now: datetime,
    within_run: str = "",
) -> ReportFacts:
    """Everything the page says but the figures, as the last daily run left it.

    One that goes on counts only where the page is its last step: it is the run `within_run`.
    """
    known, notice = _remembered(catalogue.project)
    latest = instance.get_run_records(dg.RunsFilter(job_name=DAILY_JOB), limit=RECENT_DAILY_RUNS)
    ours = (run for run in latest if is_ours(instance, run.dagster_run, catalogue))
    daily = next((run for run in ours if run.end_time or run.dagster_run.run_id == within_run), None)
    observed = _not_remembered(instance, catalogue, known, daily, now)
    numbers = _numbers(instance, {each.run_id for each in known.seen} | {run.run_id for run in observed})
    past, findings = _by_subject(known.seen, observed, numbers)
    built_at = _built_at(instance, catalogue)
    not_refreshed = _not_refreshed(instance, catalogue, daily) if daily else set()
    return ReportFacts(
        made_at=now,
        run=_daily_run(instance, catalogue, daily, observed) if daily else None,
        checks=_checks(instance, catalogue, past, findings, known.since, not_refreshed=not_refreshed),
        sources=_sources(instance, catalogue),
        built_at=built_at,
        groups=catalogue.lineage.groups,
        figures=catalogue.figures,
        refreshed=built_at.keys() - not_refreshed,
        not_built=not_refreshed,
        notice=notice,
        is_sample=is_sample_data(instance, catalogue),
    )


def _remembered(project: Project) -> tuple[Remembered, str]:
    try:
        return remembered(project, RUNS_SHOWN), ""
    except LedgerError as error:
        # The figures and the newest state are worth a page without its memory.
        return Remembered(), f"Earlier runs are not shown. {error}"


def _not_remembered(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    remembered: Remembered,
    daily: dg.RunRecord | None,
    now: datetime,
) -> list[RunObservation]:
    """What Dagster's log adds to the ledger: runs that nobody read yet, the daily one, and earlier ones.

    Of checks that the ledger does not know yet, how each was evaluated last is all there is of earlier runs.
    """
    known = {seen.run_id for seen in remembered.seen}
    ends = run_ends(instance, remembered.read_to) if remembered.read_to is not None else []
    unread = [end for end in ends if end.storage_id > (remembered.read_to or 0) and end.run_id not in known]
    runs = [run for end in unread[-UNREAD_RUNS:] if (run := read_run(instance, end, catalogue))]
    daily_id = daily.dagster_run.run_id if daily else ""
    if daily and daily_id not in known | {run.run_id for run in runs}:
        # It goes on still, building this page, or nobody has begun to read.
        ended_at = datetime.fromtimestamp(daily.end_time, UTC) if daily.end_time else now
        run = read_run(instance, RunEnd(0, daily_id, daily.dagster_run.status.value, ended_at), catalogue)
        runs += [run] if run else []
    found = {seen.subject for seen in remembered.seen}
    if unseen := {key: spec for key, spec in catalogue.checks.items() if _subject(key) not in found}:
        newer = {run.run_id for run in runs}
        before = last_evaluations(instance, replace(catalogue, checks=unseen))
        runs += [run for run in before if run.run_id not in newer | known]
    return runs


def _numbers(instance: dg.DagsterInstance, run_ids: Collection[str]) -> dict[str, int]:
    """The place of each run among all there were. Times are of no use for that: clocks are set back."""
    if not run_ids:
        return {}
    records = instance.get_run_records(dg.RunsFilter(run_ids=sorted(run_ids)))
    return {record.dagster_run.run_id: record.storage_id for record in records}


def _by_subject(
    seen: Iterable[Seen], observed: Iterable[RunObservation], numbers: Mapping[str, int]
) -> tuple[dict[Subject, list[PastRun]], dict[Subject, Finding]]:
    """The past of each check, oldest first, and its newest finding where that is of an observed run.

    A run that has no number was deleted from Dagster, as old ones are.
    """
    found: list[tuple[int, Subject, PastRun, Finding | None]] = [
        (
            numbers.get(each.run_id, 0),
            each.subject,
            PastRun(Standing.of(each.outcome, each.severity), each.ended_at),
            None,
        )
        for each in seen
    ]
    found += [
        (
            numbers.get(run.run_id, 0),
            found.subject,
            PastRun(Standing.of(found.outcome, found.severity), run.ended_at),
            found,
        )
        for run in observed
        for found in run.findings
    ]
    past: dict[Subject, list[PastRun]] = defaultdict(list)
    findings: dict[Subject, Finding | None] = {}
    for _, subject, run, finding in sorted(found, key=lambda each: each[0]):
        past[subject].append(run)
        findings[subject] = finding
    return past, {subject: finding for subject, finding in findings.items() if finding}


def _checks(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    past: Mapping[Subject, list[PastRun]],
    findings: Mapping[Subject, Finding],
    since: Mapping[Subject, datetime],
    *,
    not_refreshed: Collection[str],
) -> list[CheckFacts]:
    checks = []
    # Failing ones that only the ledger knows: what was found is in Dagster's log.
    failing = {subject for subject, runs in past.items() if subject not in findings and runs[-1].standing.is_failing}
    found_earlier = _found_earlier(instance, catalogue, failing)
    for key, spec in catalogue.checks.items():
        subject = Subject(key.asset_key.to_user_string(), key.name)
        known = CheckFacts(
            asset=subject.asset,
            name=subject.name,
            group=catalogue.lineage.groups[subject.asset],
            assumption=str(spec.metadata.get("assumption", "")),
            statement=spec.description or "",
            owner=str(spec.metadata.get("owner", "")),
            why=str(spec.metadata.get("why", "")),
            remedy=str(spec.metadata.get("remedy", "")),
            is_blocking=spec.blocking,
            affects=str(spec.metadata.get("affects", "")),
            use=str(spec.metadata.get("use", "")),
        )
        runs = past.get(subject, [])[-RUNS_SHOWN:]
        standing = runs[-1].standing if runs else Standing.UNKNOWN
        finding = findings.get(subject) or found_earlier.get(subject)
        if finding and standing.is_failing:
            known = replace(
                known,
                is_errored=finding.outcome == Outcome.ERRORED,
                use=finding.use,
                reason=finding.reason,
                failing_rows=finding.failing_rows,
                rows_checked=finding.rows_checked,
                kept_in=finding.kept_in,
            )
        if standing == Standing.FAILED:
            stopped = [name for name in catalogue.lineage.marts_from(subject.asset) if name in not_refreshed]
            known = replace(known, frozen=tuple(figures_of(stopped, catalogue.figures)))
        streak = _failing_since(runs) if standing.is_failing else None
        opened = since.get(subject) if standing.is_failing else None
        checks.append(
            replace(
                known,
                standing=standing,
                since=min(filter(None, (streak, opened)), default=None),
                past=tuple(runs),
            )
        )
    return sorted(checks, key=lambda check: (position(check.group), check.asset, check.assumption, check.name))


def _failing_since(runs: list[PastRun]) -> datetime:
    """When the first run of the present streak of failures ended; runs that did not evaluate it do not end a streak."""
    since = runs[-1].ended_at
    for run in reversed(runs):
        if run.standing == Standing.PASSED:
            break
        if run.standing.is_failing:
            since = run.ended_at
    return since


def _found_earlier(
    instance: dg.DagsterInstance, catalogue: Catalogue, subjects: set[Subject]
) -> dict[Subject, Finding]:
    if not subjects:
        return {}
    wanted = {key: spec for key, spec in catalogue.checks.items() if _subject(key) in subjects}
    runs = last_evaluations(instance, replace(catalogue, checks=wanted))
    return {finding.subject: finding for run in runs for finding in run.findings}


def _daily_run(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    record: dg.RunRecord,
    observed: Iterable[RunObservation],
) -> DailyRunFacts:
    run_id = record.dagster_run.run_id
    ended_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
    has_failed = record.dagster_run.is_failure_or_canceled
    is_canceled = record.dagster_run.status == dg.DagsterRunStatus.CANCELED
    problem = ""
    if has_failed and ended_at:
        found = next((run for run in observed if run.run_id == run_id), None)
        found = found or read_run(instance, RunEnd(0, run_id, "FAILURE", ended_at), catalogue)
        problem = found.problem if found else ""
    started_at = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), UTC)
    return DailyRunFacts(run_id, started_at, ended_at, has_failed, problem, is_canceled)


def _not_refreshed(instance: dg.DagsterInstance, catalogue: Catalogue, daily: dg.RunRecord) -> set[str]:
    """What neither the daily run built nor a run that was started after it, but for the page, which is built now."""
    names = [
        name
        for name, group in catalogue.lineage.groups.items()
        if group != REPORTING and dg.AssetKey.from_user_string(name) in catalogue.built
    ]
    records = instance.get_asset_records([dg.AssetKey.from_user_string(name) for name in names])
    built_by = {
        record.asset_entry.asset_key.to_user_string(): last.run_id
        for record in records
        if (last := record.asset_entry.last_materialization_record)
    }
    numbers = _numbers(instance, set(built_by.values()))
    return {name for name in names if numbers.get(built_by.get(name, ""), 0) < daily.storage_id}


def _built_at(instance: dg.DagsterInstance, catalogue: Catalogue) -> dict[str, datetime | None]:
    names = [
        name
        for name, group in catalogue.lineage.groups.items()
        if group in catalogue.project.marts and dg.AssetKey.from_user_string(name) in catalogue.built
    ]
    built = _materializations(instance, names)
    return {name: built[name][0] if name in built else None for name in names}


def _sources(instance: dg.DagsterInstance, catalogue: Catalogue) -> list[SourceFacts]:
    names = sorted(name for name, group in catalogue.lineage.groups.items() if group == "raw")
    loaded = _materializations(instance, names)
    sources = []
    for name in names:
        at, metadata = loaded.get(name, (None, {}))
        newest = metadata.get("newest")
        rows = metadata.get("dagster/row_count")
        rejected = metadata.get("rejected_rows")
        sources.append(
            SourceFacts(
                name.rsplit("/", 1)[-1],
                at,
                int(str(rows.value)) if rows else None,
                int(str(rejected.value)) if rejected else 0,
                datetime.fromtimestamp(float(str(newest.value)), UTC) if newest else None,
            )
        )
    return sources


def _materializations(
    instance: dg.DagsterInstance, names: Iterable[str]
) -> dict[str, tuple[datetime, Mapping[str, dg.MetadataValue[Any]]]]:
    """When each asset was materialized last, and what was said of it then."""
    found: dict[str, tuple[datetime, Mapping[str, dg.MetadataValue[Any]]]] = {}
    for record in instance.get_asset_records([dg.AssetKey.from_user_string(name) for name in names]):
        last = record.asset_entry.last_materialization_record
        if last and last.asset_materialization:
            at = datetime.fromtimestamp(last.timestamp, UTC)
            found[record.asset_entry.asset_key.to_user_string()] = at, last.asset_materialization.metadata
    return found


def _subject(key: dg.AssetCheckKey) -> Subject:
    return Subject(key.asset_key.to_user_string(), key.name)
