"""Which failure speaks for which: what lies downstream of an open ERROR is inhibited by it.

Pure. The lineage that decides it is here; what an inhibited incident goes through is lifecycle's business.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from greenery_assets.alerts.incidents import State, Subject, Track


@dataclass(frozen=True)
class Lineage:
    """Which assets each asset is made from, the group of each, and the groups that are marts."""

    parents: Mapping[str, frozenset[str]]
    groups: Mapping[str, str]
    marts: frozenset[str] = frozenset()

    def upstream(self, asset: str) -> frozenset[str]:
        """Every asset that this one is made from, however far, without itself."""
        reached: set[str] = set()
        waiting = list(self.parents.get(asset, ()))
        while waiting:
            parent = waiting.pop()
            if parent not in reached:
                reached.add(parent)
                waiting.extend(self.parents.get(parent, ()))
        return frozenset(reached)

    def downstream(self, asset: str) -> frozenset[str]:
        """Every asset that is made from this one, however far, without itself."""
        return frozenset(other for other in self.parents if asset in self.upstream(other))

    def marts_from(self, asset: str) -> list[str]:
        """The assets of the marts that this one decides over, itself included, by name."""
        return sorted(filter(self.is_mart, {asset, *self.downstream(asset)}))

    def is_mart(self, asset: str) -> bool:
        return self.groups.get(asset) in self.marts

    def depth(self, asset: str) -> int:
        """How many assets lie upstream: a cause comes before what it causes."""
        return len(self.upstream(asset))


def cause_of(subject: Subject, state: State, lineage: Lineage) -> Subject | None:
    """The open blocking incident furthest upstream of a subject's asset."""
    upstream = lineage.upstream(subject.asset)
    causes = [
        track.incident.subject
        for track in state.values()
        if track.incident and track.incident.blocks and track.incident.subject.asset in upstream
    ]
    return min(causes, key=lambda cause: causes_first(cause, lineage), default=None)


def speaks(cause: Subject, state: State) -> bool:
    """Whether the incident of a cause still speaks for those inhibited by it."""
    incident = state.get(cause, Track()).open_incident
    return incident is not None and incident.blocks


def causes_first(subject: Subject, lineage: Lineage) -> tuple[int, Subject]:
    """Causes come before what they cause."""
    return lineage.depth(subject.asset), subject
