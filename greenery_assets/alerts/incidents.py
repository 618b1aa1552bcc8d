"""What a run found, and the incidents made of it, in plain values that outlive the run.

The vocabulary of this package: subjects, findings, incidents and what happens to them. Reading findings out of Dagster
is the business of runs, what becomes of an incident that of lifecycle.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AliasChoices, Field

AD_HOC_JOB = "__ASSET_JOB"
# The status of a failed run that another attempt follows: that one counts.
RETRIED = "RETRIED"
# What a check affects that no figure depends on.
NO_FIGURE = "no figure"


class Severity(StrEnum):
    """Whether a failing check stops what lies downstream (ERROR) or does not (WARN)."""

    ERROR = "ERROR"
    WARN = "WARN"


class Outcome(StrEnum):
    """What became of a check; UNKNOWN is planned and never evaluated, ERRORED could not be evaluated."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"
    UNKNOWN = "unknown"

    @property
    def is_failing(self) -> bool:
        return self in {Outcome.FAILED, Outcome.ERRORED}


@dataclass(frozen=True, order=True)
class Subject:
    """What an incident is about: a check of an asset (and partition), or, without an asset, the runs of a job."""

    asset: str
    name: str
    partition: str = ""

    @property
    def id(self) -> str:
        return " ".join(filter(None, (self.asset, self.name, self.partition)))

    @property
    def is_job(self) -> bool:
        """Whether it is about a job's runs rather than about a check."""
        return not self.asset


@dataclass(frozen=True)
class Sample:
    """A few failing rows: shareable columns only, each value as text."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Finding:
    """One subject as one run found it.

    `statement` is the assumption in words, `reason` what was found, `kept_in` the table of all failing rows. `affects`
    names the figures that are wrong then in the words of their readers; it is NO_FIGURE for a mere note. `use` says
    whether they can be used, where there is more to say than that they may be wrong.
    """

    subject: Subject
    outcome: Outcome
    severity: Severity
    statement: str
    owner: str = ""
    assumption: str = ""
    why: str = ""
    remedy: str = ""
    affects: str = ""
    use: str = ""
    reason: str = ""
    failing_rows: int = 0
    rows_checked: int | None = None
    kept_in: str = ""
    sample: Sample = field(default_factory=Sample)

    @property
    def is_error(self) -> bool:
        """Whether it counts as an ERROR: what could not be evaluated is not known to hold."""
        return self.severity == Severity.ERROR or self.outcome == Outcome.ERRORED

    @property
    def is_note(self) -> bool:
        """Whether it is a warning that no figure is wrong by."""
        return not self.is_error and self.affects == NO_FIGURE


@dataclass(frozen=True)
class MartState:
    """An asset of a mart that an incident touches: rebuilt, or still with the data of a time (UTC), or of none.

    `group` is that of the asset; where it is not known, the asset's prefix stands for it.
    """

    asset: str
    is_refreshed: bool
    data_of: datetime | None = None
    group: str = ""

    @property
    def mart(self) -> str:
        return self.group or self.asset.rpartition("/")[0]


@dataclass(frozen=True)
class RunObservation:
    """One ended run.

    `problem` says in shareable words why it failed where no check says it; `not_built` names the assets it
    planned and did not build, `data_of` when each mart was last built (UTC), this run included; `owner` is that
    of the first asset it did not build.
    """

    run_id: str
    job: str
    status: str
    started_at: datetime
    ended_at: datetime
    findings: tuple[Finding, ...] = ()
    built: frozenset[str] = frozenset()
    not_built: frozenset[str] = frozenset()
    data_of: Mapping[str, datetime] = field(default_factory=dict)
    problem: str = ""
    owner: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the run itself ended well, whatever its WARN checks found."""
        return self.status == "SUCCESS"


SHOWN_NAMES = 3


def unevaluated(run: RunObservation) -> list[Subject]:
    """The checks that a run planned and did not evaluate."""
    return [found.subject for found in run.findings if found.outcome == Outcome.UNKNOWN]


def stopping(run: RunObservation) -> list[Finding]:
    """The checks that made a run fail: ERRORs that do not hold, and those that could not be evaluated."""
    if run.status != "FAILURE":
        return []
    return [found for found in run.findings if found.outcome.is_failing and found.is_error]


def failed_run(run: RunObservation) -> Finding | None:
    """What is wrong with the run itself, where its checks do not say it."""
    unknown = unevaluated(run)
    is_complete = run.succeeded and not unknown and not run.not_built
    if run.status == RETRIED or is_complete or (stopping(run) and not run.problem):
        return None
    if run.status == "CANCELED":
        reason = "The run was canceled before it was through."
    elif run.succeeded:
        reason = _left_out(run.not_built, unknown)
    else:
        reason = run.problem or "The run failed; its log says why."
    return Finding(
        subject=Subject("", run.job),
        outcome=Outcome.FAILED,
        owner=run.owner,
        severity=Severity.ERROR if run.status == "FAILURE" else Severity.WARN,
        statement="Every run ends well, and builds and evaluates all that it planned.",
        reason=reason,
        remedy="Open the run and read its last lines. Fix the cause, then run the job again.",
        failing_rows=len(unknown),
    )


def _left_out(not_built: Collection[str], unknown: Collection[Subject]) -> str:
    """What a run left out that reports success, in a sentence that names the first few."""
    tables = f"build {_some(not_built)}" if not_built else ""
    checks = f"evaluate {_some([subject.id for subject in unknown])}" if unknown else ""
    return f"The run reports success, but did not {' and did not '.join(filter(None, (tables, checks)))}."


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:SHOWN_NAMES]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest else "")


REMEMBERED_EVALUATIONS = 6


class Kind(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    REOPENED = "reopened"
    FLAPPING = "flapping"
    INHIBITED = "inhibited"
    WORSE = "worse"
    BETTER = "better"
    RAISED = "raised"
    LOWERED = "lowered"
    CHANGED = "changed"
    STEADY = "steady"
    RESOLVED = "resolved"
    REMINDED = "reminded"
    ACKNOWLEDGED = "acknowledged"
    RETIRED = "retired"

    @property
    def starts_thread(self) -> bool:
        """Whether people first read of this episode by it."""
        return self in {Kind.OPENED, Kind.REOPENED, Kind.FLAPPING}

    @property
    def reaches_channel(self) -> bool:
        """Whether the channel shows it, and not only the thread: what people must not miss."""
        return self.starts_thread or self in {Kind.RAISED, Kind.REMINDED}


@dataclass(frozen=True)
class Incident:
    """One episode of a subject failing.

    `finding` is the newest failing one, found at `found_at`, `announced` the one people last read of (None: nobody was
    notified), `notified_at` when the channel last showed it, `inhibited_by` the cause whose thread speaks for it,
    `held_back` the checks that its run left unevaluated, `current` the marts that it did refresh, `awaiting` what must
    be built or evaluated before a failed run counts as recovered. One that was closed because its check is gone was
    resolved by no run. Times are UTC.
    """

    subject: Subject
    episode: int
    opened_at: datetime
    opened_by_run: str
    finding: Finding
    last_run: str
    found_at: datetime | None = None
    announced: Finding | None = None
    notified_at: datetime | None = None
    # Older rows of the ledger have it by its earlier name.
    inhibited_by: Annotated[Subject | None, Field(validation_alias=AliasChoices("inhibited_by", "folded_under"))] = None
    is_flapping: bool = False
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    resolved_by_run: str = ""
    marts: tuple[MartState, ...] = ()
    held_back: int = 0
    current: tuple[MartState, ...] = ()
    awaiting: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None

    @property
    def stops(self) -> bool:
        """Whether marts that were not refreshed are its doing: an ERROR's, or a run's that left them behind."""
        return self.finding.severity == Severity.ERROR or self.subject.is_job

    @property
    def stale_marts(self) -> tuple[MartState, ...]:
        """What it left with the data of before it was resolved, and no run has built since; none while it is open."""
        return () if self.is_open else tuple(mart for mart in self.marts if not mart.is_refreshed)

    @property
    def blocks(self) -> bool:
        """Whether it is a failing ERROR check that people know of and that speaks for itself."""
        return (
            self.is_open
            and not self.subject.is_job
            and self.finding.severity == Severity.ERROR
            and self.announced is not None
            and self.inhibited_by is None
            and not self.is_flapping
        )


@dataclass(frozen=True)
class Track:
    """What is remembered of a subject: its last evaluations (F failing, P passed) and its newest episode."""

    evaluations: str = ""
    incident: Incident | None = None

    @property
    def open_incident(self) -> Incident | None:
        return self.incident if self.incident and self.incident.is_open else None

    def evaluated(self, is_failing: bool) -> str:
        return (self.evaluations + ("F" if is_failing else "P"))[-REMEMBERED_EVALUATIONS:]


# What is remembered of every subject that was ever seen.
State = Mapping[Subject, Track]


@dataclass(frozen=True)
class Transition:
    """Something that happened to an incident; `before` is the finding people knew until then."""

    kind: Kind
    incident: Incident
    at: datetime
    before: Finding | None = None
