"""Incidents, what can happen to them, and the policy they are judged by: plain values.

How one leads to another is lifecycle's business, how they are told that of planning and messages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from greenery_assets.alerts.observations import Finding, MartState, Severity, Subject

REMEMBERED_EVALUATIONS = 6


class Kind(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    REOPENED = "reopened"
    FLAPPING = "flapping"
    FOLDED = "folded"
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
class Silence:
    """Assets and checks (patterns with *) about which nobody is told until a time (UTC), and why."""

    asset: str
    check: str
    reason: str
    until: datetime

    def covers(self, subject: Subject, now: datetime) -> bool:
        """Whether it holds for a subject now."""
        return now < self.until and fnmatchcase(subject.asset, self.asset) and fnmatchcase(subject.name, self.check)


@dataclass(frozen=True)
class Policy:
    """How long an open incident may stay unmentioned, by severity, and what is silenced."""

    renotify_after: Mapping[Severity, timedelta]
    silences: Sequence[Silence] = ()

    def silence(self, subject: Subject, now: datetime) -> Silence | None:
        """The silence that covers a subject now, if any."""
        return next((silence for silence in self.silences if silence.covers(subject, now)), None)


@dataclass(frozen=True)
class Incident:
    """One episode of a subject failing.

    `finding` is the newest failing one, `announced` the one people last read about (None: nobody was told),
    `notified_at` when the channel last showed it, `folded_under` the cause whose thread speaks for it, `held_back`
    the checks that its run left unevaluated, `awaiting` what must be built or evaluated before a failed run counts
    as made good. One that was closed because its check is gone was resolved by no run. Times are UTC.
    """

    subject: Subject
    episode: int
    opened_at: datetime
    opened_by_run: str
    finding: Finding
    last_run: str
    announced: Finding | None = None
    notified_at: datetime | None = None
    folded_under: Subject | None = None
    is_flapping: bool = False
    acknowledged_by: str = ""
    resolved_at: datetime | None = None
    resolved_by_run: str = ""
    marts: tuple[MartState, ...] = ()
    held_back: int = 0
    awaiting: frozenset[str] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether it is not resolved yet."""
        return self.resolved_at is None

    @property
    def stops(self) -> bool:
        """Whether marts that were not refreshed are its doing: an ERROR's, or a run's that left them behind."""
        return self.finding.severity == Severity.ERROR or self.subject.is_job

    @property
    def old_marts(self) -> tuple[MartState, ...]:
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
            and self.folded_under is None
            and not self.is_flapping
        )


@dataclass(frozen=True)
class Track:
    """What is remembered of a subject: its last evaluations (F failing, P passed) and its newest episode."""

    evaluations: str = ""
    incident: Incident | None = None

    @property
    def open_incident(self) -> Incident | None:
        """The newest episode, if it is still open."""
        return self.incident if self.incident and self.incident.is_open else None

    def evaluated(self, is_failing: bool) -> str:
        """The evaluations with one more."""
        return (self.evaluations + ("F" if is_failing else "P"))[-REMEMBERED_EVALUATIONS:]


State = Mapping[Subject, Track]


def _nothing(_subject: Subject) -> Track:
    return Track()


class Memory(dict[Subject, Track]):
    """What is remembered of every subject: what was not loaded is recalled when it is asked for.

    So no judgment, and no number of an episode, depends on what happened to be loaded. Loaded are, at least, all
    subjects with an open incident; iterating gives what is loaded. A copy of a memory recalls from where that does.
    """

    def __init__(self, loaded: State, recall: Callable[[Subject], Track] = _nothing) -> None:
        super().__init__(loaded)
        self._recall: Callable[[Subject], Track] = loaded._recall if isinstance(loaded, Memory) else recall

    def __missing__(self, subject: Subject) -> Track:
        """Recall a subject that was not loaded; of one that nobody has seen yet nothing is remembered."""
        track = self._recall(subject)
        if track != Track():
            self[subject] = track
        return track

    def get(self, subject: Subject, default: object = None) -> Track:  # noqa: ARG002
        """The same: a default would take the place of what is remembered."""
        return self[subject]


@dataclass(frozen=True)
class Transition:
    """Something that happened to an incident; `before` is the finding people knew until then."""

    kind: Kind
    incident: Incident
    at: datetime
    run_id: str = ""
    before: Finding | None = None
