"""How checks, sources and marts stand, read from Dagster's history and the alert ledger.

Nothing is written, but for the ledger's own tables where it is opened for the first time.

The ledger knows the runs that the sensor has read; those that ended since, and the one that builds the page, are read
from Dagster.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, time
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from greenery_assets.alerts.runs import (
    Catalogue,
    Finding,
    LedgerError,
    Outcome,
    Remembered,
    RunEnd,
    RunObservation,
    Seen,
    Severity,
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
from greenery_assets.report.facts import (
    CheckFacts,
    DailyRunFacts,
    Earlier,
    PastRun,
    ReportFacts,
    SourceFacts,
    Standing,
)

DAILY_JOB = "daily_job"
REPORTING = "reporting"
REPORT = dg.AssetKey([REPORTING, "state_of_the_data"])
# Under this name the page of a complete run keeps what later ones are compared with.
RECORD = "headline_figures"
PAGES_AT_ONCE = 30
RUNS_SHOWN = 30
# Among so many there is one of ours that is not queued or going on.
RECENT_DAILY_RUNS = 30
UNREAD_RUNS = 30
HOW_A_RUN_ENDS = {dg.DagsterRunStatus.CANCELED: "was canceled", dg.DagsterRunStatus.FAILURE: "failed"}
# What the spec of a check says whatever a run finds.
STATED = ("assumption", "owner", "why", "remedy", "affects", "use")


def read_facts(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    now: datetime,
    within_run: str = "",
) -> ReportFacts:
    """Everything on the page but the figures, as of the last daily run.

    A run that is still going on counts only if it writes the page itself: then it is the run `within_run`.
    """
    notice = ""
    try:
        known = remembered(catalogue.project, RUNS_SHOWN)
    except LedgerError as error:
        # The figures and the newest state are worth a page without its memory.
        known, notice = Remembered(), f"Earlier runs are not shown. {error}"
    groups = catalogue.lineage.groups
    latest = instance.get_run_records(dg.RunsFilter(job_name=DAILY_JOB), limit=RECENT_DAILY_RUNS)
    ours = (run for run in latest if is_ours(instance, run.dagster_run, catalogue))
    daily = next((run for run in ours if run.end_time or run.dagster_run.run_id == within_run), None)
    observed = _not_remembered(instance, catalogue, known, daily, now)
    numbers = _numbers(instance, {each.run_id for each in known.seen} | {run.run_id for run in observed})
    past, findings = _by_subject(known.seen, observed, numbers)
    failing = {subject for subject, runs in past.items() if runs[-1].standing.is_failing}
    # What was found in runs that the ledger alone knows is in Dagster's log.
    earlier = _evaluated_last(instance, catalogue, failing - findings.keys())
    findings |= {found.subject: found for run in earlier for found in run.findings}
    built = _last_built(instance, catalogue)
    not_refreshed = _not_refreshed(instance, catalogue, daily, built) if daily else set()
    return ReportFacts(
        made_at=now,
        run=_daily_run(instance, catalogue, daily, observed) if daily else None,
        checks=_checks(catalogue, past, findings, known.since, not_refreshed),
        sources=_sources(catalogue, built),
        built_at={name: _time_of(built[name]) for name in built if groups[name] in catalogue.project.marts},
        groups=groups,
        figures=catalogue.figures,
        not_built=not_refreshed,
        notice=notice,
        is_sample=is_sample_data(instance, catalogue),
    )


def earlier_record(instance: dg.DagsterInstance, now: datetime, zone: ZoneInfo) -> Earlier | None:
    """What the last complete run of an earlier day, on the reader's calendar, left to compare with."""
    today = datetime.combine(now.astimezone(zone), time(), zone)
    wanted = dg.AssetRecordsFilter(REPORT, before_timestamp=today.timestamp())
    cursor: str | None = None
    while True:
        found = instance.fetch_materializations(wanted, limit=PAGES_AT_ONCE, cursor=cursor)
        for record in found.records:
            left = record.asset_materialization.metadata.get(RECORD) if record.asset_materialization else None
            if isinstance(left, dg.JsonMetadataValue) and isinstance(left.data, Mapping):
                return Earlier(datetime.fromtimestamp(record.timestamp, UTC), left.data)
        if not found.has_more:
            return None
        cursor = found.cursor


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
    unseen = {_subject(key) for key in catalogue.checks} - {seen.subject for seen in remembered.seen}
    newer = known | {run.run_id for run in runs}
    return runs + [run for run in _evaluated_last(instance, catalogue, unseen) if run.run_id not in newer]


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
    found: list[tuple[str, Seen | Finding, datetime]] = [(each.run_id, each, each.ended_at) for each in seen]
    found += [(run.run_id, each, run.ended_at) for run in observed for each in run.findings]
    past: dict[Subject, list[PastRun]] = defaultdict(list)
    findings: dict[Subject, Finding | None] = {}
    for _, each, ended_at in sorted(found, key=lambda each: numbers.get(each[0], 0)):
        past[each.subject].append(PastRun(Standing.of(each.outcome, each.severity), ended_at))
        findings[each.subject] = each if isinstance(each, Finding) else None
    return past, {subject: finding for subject, finding in findings.items() if finding}


def _checks(
    catalogue: Catalogue,
    past: Mapping[Subject, list[PastRun]],
    findings: Mapping[Subject, Finding],
    since: Mapping[Subject, datetime],
    not_refreshed: Collection[str],
) -> list[CheckFacts]:
    checks = []
    for key, spec in catalogue.checks.items():
        subject = _subject(key)
        runs = past.get(subject, [])[-RUNS_SHOWN:]
        standing = runs[-1].standing if runs else Standing.UNKNOWN
        stated: dict[str, Any] = {name: str(spec.metadata.get(name, "")) for name in STATED}
        found = Finding(subject, Outcome.UNKNOWN, Severity.WARN, spec.description or "", **stated)
        frozen, began = [], []
        if standing.is_failing:
            severity = Severity.ERROR if standing == Standing.FAILED else Severity.WARN
            unknown = replace(found, outcome=Outcome.FAILED, severity=severity)
            found = findings.get(subject, unknown)
            began = [_failing_since(runs), *([since[subject]] if subject in since else [])]
        if standing == Standing.FAILED:
            stopped = [name for name in catalogue.lineage.marts_from(subject.asset) if name in not_refreshed]
            frozen = figures_of(stopped, catalogue.figures)
        checks.append(
            CheckFacts(
                **vars(found),
                group=catalogue.lineage.groups[subject.asset],
                standing=standing,
                since=min(began, default=None),
                past=tuple(runs),
                frozen=tuple(frozen),
            )
        )
    return sorted(
        checks, key=lambda check: (position(check.group), check.subject.asset, check.assumption, check.subject.name)
    )


def _failing_since(runs: list[PastRun]) -> datetime:
    """When the first run of the present streak of failures ended; runs that did not evaluate it do not end a streak."""
    streak = takewhile(lambda run: run.standing != Standing.PASSED, reversed(runs))
    return [run.ended_at for run in streak if run.standing.is_failing][-1]


def _evaluated_last(
    instance: dg.DagsterInstance, catalogue: Catalogue, subjects: Collection[Subject]
) -> list[RunObservation]:
    """How Dagster's log has the last evaluation of some checks."""
    wanted = {key: spec for key, spec in catalogue.checks.items() if _subject(key) in subjects}
    return last_evaluations(instance, replace(catalogue, checks=wanted)) if wanted else []


def _daily_run(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    record: dg.RunRecord,
    observed: Iterable[RunObservation],
) -> DailyRunFacts:
    run_id = record.dagster_run.run_id
    ended_at = datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None
    how_it_ended, problem = HOW_A_RUN_ENDS.get(record.dagster_run.status, "ended"), ""
    if record.dagster_run.is_failure_or_canceled and ended_at:
        found = next((run for run in observed if run.run_id == run_id), None)
        found = found or read_run(instance, RunEnd(0, run_id, "FAILURE", ended_at), catalogue)
        problem = found.problem if found else ""
    started_at = datetime.fromtimestamp(record.start_time or record.create_timestamp.timestamp(), UTC)
    return DailyRunFacts(run_id, started_at, ended_at, how_it_ended, problem)


def _last_built(instance: dg.DagsterInstance, catalogue: Catalogue) -> dict[str, dg.EventLogRecord | None]:
    """The last materialization of each asset, None of one that was never built."""
    entries = [record.asset_entry for record in instance.get_asset_records(list(catalogue.built))]
    found = {entry.asset_key: entry.last_materialization_record for entry in entries}
    return {key.to_user_string(): found.get(key) for key in catalogue.built}


def _not_refreshed(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    daily: dg.RunRecord,
    built: Mapping[str, dg.EventLogRecord | None],
) -> set[str]:
    """What neither the daily run built nor a run that was started after it, but for the page, which is built now."""
    built_by = {name: last.run_id if last else "" for name, last in built.items()}
    numbers = _numbers(instance, set(built_by.values()))
    groups = catalogue.lineage.groups
    late = {name for name, run_id in built_by.items() if numbers.get(run_id, 0) < daily.storage_id}
    return {name for name in late if groups[name] != REPORTING}


def _sources(catalogue: Catalogue, built: Mapping[str, dg.EventLogRecord | None]) -> list[SourceFacts]:
    sources = []
    for name in sorted(name for name, group in catalogue.lineage.groups.items() if group == "raw"):
        last = built.get(name)
        said = last.asset_materialization.metadata if last and last.asset_materialization else {}
        rows, rejected, newest = (said.get(what) for what in ("dagster/row_count", "rejected_rows", "newest"))
        sources.append(
            SourceFacts(
                name.rsplit("/", 1)[-1],
                _time_of(last),
                int(str(rows.value)) if rows else None,
                int(str(rejected.value)) if rejected else 0,
                datetime.fromtimestamp(float(str(newest.value)), UTC) if newest else None,
            )
        )
    return sources


def _time_of(record: dg.EventLogRecord | None) -> datetime | None:
    return datetime.fromtimestamp(record.timestamp, UTC) if record else None


def _subject(key: dg.AssetCheckKey) -> Subject:
    return Subject(key.asset_key.to_user_string(), key.name)
