"""Small runs over a small lineage, for tests of the alerts: what was found is written as a few letters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from greenery_assets.alerts.incidents import (
    Finding,
    Outcome,
    RunObservation,
    Severity,
    State,
    Subject,
    Track,
    Transition,
)
from greenery_assets.alerts.inhibit import Lineage
from greenery_assets.alerts.lifecycle import acknowledge, observe, time_passes
from greenery_assets.alerts.silence import Policy, Silence

START = datetime(2026, 5, 4, 6, tzinfo=UTC)
RENOTIFY_AFTER = {Severity.ERROR: timedelta(hours=24), Severity.WARN: timedelta(hours=168)}
JOB = "daily_job"
HOUR = timedelta(hours=1)
SEEN_AFTER = timedelta(seconds=10)

LINEAGE = Lineage(
    parents={
        "raw/orders": frozenset(),
        "raw/events": frozenset(),
        "staging/orders": frozenset({"raw/orders"}),
        "staging/events": frozenset({"raw/events"}),
        "marketing/users": frozenset({"staging/orders"}),
        "product/daily": frozenset({"staging/orders", "staging/events"}),
    },
    groups={
        "raw/orders": "raw",
        "raw/events": "raw",
        "staging/orders": "staging",
        "staging/events": "staging",
        "marketing/users": "marketing",
        "product/daily": "product",
    },
    marts=frozenset({"marketing", "product"}),
)
SUBJECTS = {
    "orders": Subject("raw/orders", "orders"),
    "events": Subject("raw/events", "events"),
    "staged": Subject("staging/orders", "staged"),
    "users": Subject("marketing/users", "users"),
    "daily": Subject("product/daily", "daily"),
    "monday": Subject("raw/orders", "orders_of_the_day", "2026-05-04"),
    "tuesday": Subject("raw/orders", "orders_of_the_day", "2026-05-05"),
    "job": Subject("", JOB),
}
NAMES = {subject: name for name, subject in SUBJECTS.items()}
OUTCOMES = {"P": Outcome.PASSED, "F": Outcome.FAILED, "X": Outcome.ERRORED, "?": Outcome.UNKNOWN}


def finding(subject: Subject, code: str) -> Finding:
    """What was found, by a letter and the failing rows: P passed, F3 failed, X errored, ? unknown; small is WARN."""
    letter, rows = code[0], int(code[1:] or 0)
    return Finding(
        subject=subject,
        outcome=OUTCOMES[letter.upper()],
        severity=Severity.WARN if letter.islower() else Severity.ERROR,
        statement=f"{subject.name} is right.",
        failing_rows=rows,
    )


def findings(text: str) -> tuple[Finding, ...]:
    """Findings written as "orders=F3 staged=?"."""
    return tuple(finding(SUBJECTS[name], code) for name, code in re.findall(r"(\w+)=(\S+)", text))


def run(
    number: int,
    found: Iterable[Finding] = (),
    *,
    job: str = JOB,
    status: str = "",
    built: Iterable[str] = (),
    not_built: Iterable[str] = (),
    problem: str = "",
    ended_at: datetime = START,
) -> RunObservation:
    """An ended run; without a status it failed where a blocking check did."""
    found = tuple(found)
    blocked = any(one.outcome.is_failing and one.severity == Severity.ERROR for one in found)
    return RunObservation(
        run_id=f"run-{number}",
        job=job,
        status=status or ("FAILURE" if blocked else "SUCCESS"),
        started_at=ended_at - timedelta(minutes=5),
        ended_at=ended_at,
        findings=found,
        built=frozenset(built),
        not_built=frozenset(not_built),
        data_of=dict.fromkeys(LINEAGE.groups, START),
        problem=problem,
    )


@dataclass
class Story:
    """Runs and hours one after the other; a run is seen an hour after the step before, having just ended."""

    state: State = field(default_factory=dict)
    policy: Policy = field(default_factory=lambda: Policy(RENOTIFY_AFTER))
    now: datetime = START
    runs: int = 0

    def step(self, text: str) -> list[Transition]:
        """Do one step: "orders=F3 staged=?" is a run, "24h" hours that pass, "ack orders", "silence orders 24h"."""
        if hours := re.fullmatch(r"(\d+)h", text):
            return self.wait(int(hours[1]))
        if acknowledged := re.fullmatch(r"ack (\w+)", text):
            subject = SUBJECTS[acknowledged[1]]
            track, happened = acknowledge(self.state.get(subject, Track()), "Ana", self.now)
            self.state = {**self.state, subject: track}
            return happened
        if silence := re.fullmatch(r"silence (\w+) (\d+)h", text):
            self.silence(SUBJECTS[silence[1]], int(silence[2]))
            return []
        return self.see(findings(text))

    def see(
        self,
        found: Iterable[Finding] = (),
        *,
        job: str = JOB,
        status: str = "",
        built: Iterable[str] = (),
        not_built: Iterable[str] = (),
        problem: str = "",
    ) -> list[Transition]:
        """Observe one more run, an hour later."""
        self.runs += 1
        self.now += HOUR
        ended = run(
            self.runs,
            found,
            job=job,
            status=status,
            built=built,
            not_built=not_built,
            problem=problem,
            ended_at=self.now - SEEN_AFTER,
        )
        return self.observe(ended)

    def observe(self, ended: RunObservation) -> list[Transition]:
        """Observe a run as it is given."""
        self.state, happened = observe(self.state, ended, LINEAGE, self.policy, self.now)
        return happened

    def wait(self, hours: float) -> list[Transition]:
        """Let time pass."""
        self.now += timedelta(hours=hours)
        self.state, happened = time_passes(self.state, LINEAGE, self.policy, self.now)
        return happened

    def silence(self, subject: Subject, hours: float) -> None:
        """Tell nobody of a subject from now on."""
        silence = Silence(subject.asset or "*", subject.name, "Moving.", self.now + timedelta(hours=hours))
        self.policy = Policy(RENOTIFY_AFTER, (*self.policy.silences, silence))


def told(transitions: Iterable[Transition]) -> list[str]:
    """What happened, as "opened orders"."""
    return [f"{happened.kind} {NAMES[happened.incident.subject]}" for happened in transitions]
