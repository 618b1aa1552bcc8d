"""What the page says of checks, sources and tables, as plain values. Where they come from is state's business.

Times are aware; the page shows them in the reader's time zone.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from greenery_assets.alerts.runs import Finding, Outcome, Severity


class Standing(StrEnum):
    """How a check stands: it holds, it fails without or with consequences, or nobody knows."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, outcome: Outcome, severity: Severity) -> "Standing":
        """A check that could not be evaluated counts as failed: its assumption is not known to hold."""
        if outcome == Outcome.FAILED and severity == Severity.WARN:
            return cls.WARNED
        return cls.FAILED if outcome.is_failing else cls(outcome.value)

    @property
    def is_failing(self) -> bool:
        """Whether its assumption was found not to hold."""
        return self in {Standing.WARNED, Standing.FAILED}


@dataclass(frozen=True)
class PastRun:
    """How one run that planned a check found it."""

    standing: Standing
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class CheckFacts(Finding):
    """A check and its state: the finding of the last run if it fails, else only the texts of the check.

    `since` is the end of the first run of the present series of failures; `past` are its last runs, oldest first;
    `frozen` are the figures that it stopped.
    """

    group: str
    standing: Standing = Standing.UNKNOWN
    since: datetime | None = None
    past: tuple[PastRun, ...] = ()
    frozen: tuple[str, ...] = ()

    @property
    def is_errored(self) -> bool:
        """Whether it could not be evaluated."""
        return self.outcome == Outcome.ERRORED


@dataclass(frozen=True)
class SourceFacts:
    """A source table as it was loaded last: its newest row, where rows have a time, and rows set aside."""

    name: str
    loaded_at: datetime | None
    rows: int | None
    rejected: int
    newest: datetime | None


@dataclass(frozen=True)
class DailyRunFacts:
    """The daily run that the page is about; `ended_at` is None while it goes on: the page is its last step.

    `how_it_ended` is "ended", "failed" or "was canceled". `problem` says why it failed where no check says it.
    """

    run_id: str
    started_at: datetime
    ended_at: datetime | None
    how_it_ended: str = "ended"
    problem: str = ""


@dataclass(frozen=True)
class Earlier:
    """The record of the headline figures that the last complete run of an earlier day left, and when (changes.py)."""

    at: datetime
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """Everything the page says but the figures.

    `built_at` is when each table of a mart was built last, None if it never was; `groups` names the mart of each.
    `is_sample`: the tables hold sample data. `not_built` names the assets, of any group, that the daily run planned and
    that neither it nor a later run has built. Runs are ordered by their numbers, not by time: a clock may be set back.
    `figures` has the name that people use for the figures of each table.
    """

    made_at: datetime
    run: DailyRunFacts | None
    checks: Sequence[CheckFacts]
    sources: Sequence[SourceFacts]
    built_at: Mapping[str, datetime | None] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    not_built: Collection[str] = ()
    notice: str = ""
    is_sample: bool = False
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def stale(self) -> dict[str, datetime | None]:
        """The tables of marts that the daily run did not refresh, with the time their content is from."""
        return {
            mart: built_at
            for mart, built_at in sorted(self.built_at.items())
            if built_at is None or mart in self.not_built
        }

    @property
    def failing(self) -> list[CheckFacts]:
        """Checks that do not hold, those that stop something first and notes last, then in order of the graph."""
        failing = [check for check in self.checks if check.standing.is_failing]
        return sorted(failing, key=lambda check: (check.standing != Standing.FAILED, check.is_note))

    @property
    def failing_rows(self) -> dict[str, int]:
        """How many rows break an assumption in each group of assets, all checks together."""
        rows = dict.fromkeys((check.group for check in self.checks), 0)
        for check in self.failing:
            rows[check.group] += check.failing_rows
        return rows

    def count(self, *standings: Standing) -> int:
        """How many checks stand so."""
        return sum(check.standing in standings for check in self.checks)
