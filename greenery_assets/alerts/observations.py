"""What a run told about the data, in plain values that outlive the run.

The vocabulary of this package: subjects, outcomes, observations, lineage. Reading them out of Dagster is
history's business, judging them is incidents'.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

AD_HOC_JOB = "__ASSET_JOB"
# The status of a failed run that another attempt follows: that one tells.
RETRIED = "RETRIED"
MARTS = ("core", "marketing", "product")


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
        """Whether it is reason for an incident."""
        return self in {Outcome.FAILED, Outcome.ERRORED}


@dataclass(frozen=True, order=True)
class Subject:
    """What an incident is about: a check of an asset (and partition), or, without an asset, the runs of a job."""

    asset: str
    name: str
    partition: str = ""

    @property
    def id(self) -> str:
        """The same in one string, for people and as a key."""
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

    `statement` is the assumption in words, `reason` what was found, `kept_in` the table of all failing rows.
    """

    subject: Subject
    outcome: Outcome
    severity: Severity
    statement: str
    owner: str = ""
    assumption: str = ""
    why: str = ""
    remedy: str = ""
    reason: str = ""
    failing_rows: int = 0
    rows_checked: int | None = None
    kept_in: str = ""
    sample: Sample = field(default_factory=Sample)


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
        """What people know the mart as."""
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


@dataclass(frozen=True)
class Lineage:
    """Which assets each asset is made from, and the group of each."""

    parents: Mapping[str, frozenset[str]]
    groups: Mapping[str, str]

    def upstream(self, asset: str) -> frozenset[str]:
        """Every asset that this one is made from, however far, without itself."""
        return self._reach(asset, self.parents)

    def downstream(self, asset: str) -> frozenset[str]:
        """Every asset that is made from this one, however far, without itself."""
        return self._reach(asset, self.children)

    @property
    def children(self) -> Mapping[str, frozenset[str]]:
        """The assets made directly from each asset."""
        found: dict[str, set[str]] = {asset: set() for asset in self.parents}
        for asset, parents in self.parents.items():
            for parent in parents:
                found.setdefault(parent, set()).add(asset)
        return {asset: frozenset(children) for asset, children in found.items()}

    def marts_from(self, asset: str) -> list[str]:
        """The assets of the marts that this one decides over, itself included, by name."""
        return sorted(name for name in {asset, *self.downstream(asset)} if self.groups.get(name) in MARTS)

    def depth(self, asset: str) -> int:
        """How many assets lie upstream: a cause comes before what it causes."""
        return len(self.upstream(asset))

    @staticmethod
    def _reach(start: str, edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
        reached: set[str] = set()
        waiting = list(edges.get(start, ()))
        while waiting:
            asset = waiting.pop()
            if asset not in reached:
                reached.add(asset)
                waiting.extend(edges.get(asset, ()))
        return frozenset(reached)
