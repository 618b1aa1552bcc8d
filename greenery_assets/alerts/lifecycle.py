"""The life of an incident: what one observation, or the mere passing of time, makes of it.

Pure: (state, observation, policy, now) -> (state, transitions).
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

from greenery_assets.alerts.incidents import (
    Finding,
    Incident,
    Kind,
    MartState,
    Outcome,
    RunObservation,
    Severity,
    State,
    Subject,
    Track,
    Transition,
    failed_run,
    stopping,
    unevaluated,
)
from greenery_assets.alerts.inhibit import Lineage, cause_of, causes_first, speaks
from greenery_assets.alerts.silence import Policy

# A check that turned this often within its remembered evaluations is flapping, until it was the same a few times.
TURNS_OF_FLAPPING = 4
STEADY_EVALUATIONS = 3
# By how much the clocks of two machines may differ.
CLOCK_SKEW = timedelta(minutes=5)


def observe(
    state: State, run: RunObservation, lineage: Lineage, policy: Policy, now: datetime
) -> tuple[State, list[Transition]]:
    """The state after an ended run, and what happened, causes before what they cause.

    An unknown check changes nothing of its own incident: it neither opens nor resolves one.
    """
    judge = _Judge(dict(state), run, lineage, policy, now)
    evaluated = [found for found in run.findings if found.outcome != Outcome.UNKNOWN]
    for finding in sorted(evaluated, key=lambda found: causes_first(found.subject, lineage)):
        judge.see_check(finding)
    judge.see_run()
    return judge.state, judge.transitions


def time_passes(state: State, lineage: Lineage, policy: Policy, now: datetime) -> tuple[State, list[Transition]]:
    """What is due without any run, causes before what they cause.

    Incidents whose silence ended or whose cause is gone are opened, or inhibited by the next cause; what is open
    for long is recalled.
    """
    after = dict(state)
    transitions = []
    open_ones = [track.open_incident for track in state.values() if track.open_incident]
    for incident in sorted(open_ones, key=lambda each: causes_first(each.subject, lineage)):
        subject, track = incident.subject, state[incident.subject]
        if policy.silence(subject, now) or (incident.is_flapping and track.evaluations[-1:] == "P"):
            continue
        for happened in _due(incident, after, lineage, policy, now):
            after[subject] = replace(track, incident=happened.incident)
            transitions.append(happened)
    return after, transitions


def retire(
    state: State, lineage: Lineage, checks: Set[Subject], jobs: Set[str], now: datetime
) -> tuple[State, list[Transition]]:
    """Close the incidents of checks and jobs that the project does not have, and await nothing that is gone."""
    after = dict(state)
    transitions = []
    for subject, track in sorted(state.items()):
        incident = track.open_incident
        if incident is None:
            continue
        if subject.is_job and subject.name in jobs:
            known = lineage.groups.keys() | {check.id for check in checks}
            after[subject] = replace(track, incident=replace(incident, awaiting=incident.awaiting & known))
        elif subject.is_job or replace(subject, partition="") not in checks:
            # What an ERROR stopped is still as it was.
            marts = tuple(
                replace(mart, is_refreshed=mart.is_refreshed or not incident.stops) for mart in incident.marts
            )
            closed = replace(incident, resolved_at=now, is_flapping=False, held_back=0, marts=marts)
            after[subject] = Track(incident=closed)
            if closed.announced or closed.inhibited_by:
                transitions.append(Transition(Kind.RETIRED, closed, now, before=closed.announced))
    return after, transitions


def acknowledge(track: Track, by: str, now: datetime) -> tuple[Track, list[Transition]]:
    """Somebody is working on it: no reminders until its severity rises or it is resolved."""
    incident = track.open_incident
    if incident is None or incident.announced is None or incident.acknowledged_by == by:
        return track, []
    changed = replace(incident, acknowledged_by=by)
    return replace(track, incident=changed), [Transition(Kind.ACKNOWLEDGED, changed, now)]


@dataclass
class _Judge:
    """One run being judged: `state` and `transitions` grow as its findings are seen."""

    state: dict[Subject, Track]
    run: RunObservation
    lineage: Lineage
    policy: Policy
    now: datetime
    transitions: list[Transition] = field(default_factory=list)

    def see_check(self, finding: Finding) -> None:
        track = self.state.get(finding.subject, Track())
        evaluations = track.evaluated(finding.outcome.is_failing)
        incident = track.open_incident
        if finding.outcome.is_failing:
            incident = self._with_impact(self._failing(track, finding, evaluations))
        elif incident:
            incident = self._holding(incident, evaluations)
        self.state[finding.subject] = Track(evaluations, incident or track.incident)

    def see_run(self) -> None:
        """Take in how the run itself ended, and which failed runs of before it recovers."""
        done = self.run.built | {found.subject.id for found in self.run.findings if found.outcome != Outcome.UNKNOWN}
        failed = failed_run(self.run)
        for subject, track in sorted(self.state.items()):
            incident = track.open_incident
            if incident is None or not subject.is_job or (failed and failed.subject == subject):
                continue
            awaiting = incident.awaiting - done
            has_recovered = bool(incident.awaiting) and not awaiting
            # Of a run that failed before it planned anything, nothing else can be known.
            repeated = self.run.succeeded and subject.name == self.run.job and not incident.awaiting
            changed = self._holding(incident, "") if repeated or has_recovered else replace(incident, awaiting=awaiting)
            self.state[subject] = Track(incident=changed)
        if failed:
            track = self.state.get(failed.subject, Track())
            earlier = track.open_incident.awaiting - done if track.open_incident else frozenset()
            left = self.run.not_built | {unknown.id for unknown in unevaluated(self.run)}
            marts = self._marts(name for name in self.run.not_built if self.lineage.is_mart(name))
            self.state[failed.subject] = Track(
                incident=replace(
                    self._failing(track, failed, ""),
                    awaiting=earlier | left,
                    marts=marts,
                    current=self._current(marts),
                    held_back=len(unevaluated(self.run)),
                )
            )
        self._renew_marts()
        # Each transition carries what is known only now: marts, held back checks, what is awaited.
        self.transitions = [
            replace(happened, incident=self.state[happened.incident.subject].incident or happened.incident)
            for happened in self.transitions
        ]

    def _renew_marts(self) -> None:
        """Note in every open incident which of its marts this run has built, and which are no longer current."""
        for subject, track in self.state.items():
            if incident := track.open_incident:
                marts = rebuilt(incident, self.run).marts
                if subject.is_job:
                    # What a failed run did not build is recovered once another has.
                    marts = tuple(mart for mart in marts if mart.asset not in self.run.built)
                current = tuple(mart for mart in incident.current if mart.asset not in self.run.not_built)
                self.state[subject] = replace(track, incident=replace(incident, marts=marts, current=current))

    def _with_impact(self, incident: Incident) -> Incident:
        """With the marts that are made from it, and the checks that it held back by stopping the run."""
        asset = incident.subject.asset
        stops = incident.finding.severity == Severity.ERROR or incident.finding in self._stopping
        held_back = sum(unknown.asset in self._reach(asset) for unknown in unevaluated(self.run)) + self._unexplained
        marts = self._marts(self.lineage.marts_from(asset))
        return replace(incident, marts=marts, held_back=held_back if stops else 0, current=self._current(marts))

    @cached_property
    def _stopping(self) -> list[Finding]:
        return stopping(self.run)

    @cached_property
    def _unexplained(self) -> int:
        """How many checks were not evaluated though they lie downstream of nothing that failed.

        The run was stopped before it came to them, by any of its failing checks if by nothing else.
        """
        if not self._stopping or failed_run(self.run):
            return 0
        reach = frozenset[str]().union(*(self._reach(found.subject.asset) for found in self._stopping))
        return sum(unknown.asset not in reach for unknown in unevaluated(self.run))

    def _reach(self, asset: str) -> frozenset[str]:
        return self.lineage.downstream(asset) | {asset}

    def _failing(self, track: Track, finding: Finding, evaluations: str) -> Incident:
        earlier = track.open_incident
        turns = sum(one != other for one, other in pairwise(evaluations))
        incident = earlier or Incident(
            subject=finding.subject,
            episode=track.incident.episode + 1 if track.incident else 1,
            opened_at=self.run.ended_at,
            opened_by_run=self.run.run_id,
            finding=finding,
            last_run=self.run.run_id,
            is_flapping=turns >= TURNS_OF_FLAPPING,
        )
        was_flapping = incident.is_flapping
        incident = replace(
            incident,
            finding=finding,
            found_at=self.run.ended_at,
            last_run=self.run.run_id,
            is_flapping=was_flapping and not _is_steady(evaluations),
        )
        if self.policy.silence(incident.subject, self.now):
            return incident
        if incident.announced is None:
            return self._not_known_yet(incident, earlier)
        kind = _difference(incident.announced, finding)
        if kind == Kind.RAISED:
            return self._notify(kind, replace(incident, acknowledged_by=""))
        if was_flapping:
            return incident if incident.is_flapping else self._notify(Kind.STEADY, incident)
        return self._notify(kind, incident) if kind else incident

    def _not_known_yet(self, incident: Incident, earlier: Incident | None) -> Incident:
        """Notify of a failing check in a thread of its own, or in that of its cause."""
        if incident.inhibited_by and speaks(incident.inhibited_by, self.state):
            before = earlier.finding if earlier else incident.finding
            is_raised = _difference(before, incident.finding) == Kind.RAISED
            return self._notify(Kind.RAISED, incident, before) if is_raised else incident
        cause = cause_of(incident.subject, self.state, self.lineage)
        incident = replace(incident, inhibited_by=cause)
        return self._notify(Kind.INHIBITED if cause else _opening(incident), incident)

    def _holding(self, incident: Incident, evaluations: str) -> Incident:
        if incident.is_flapping and not _is_steady(evaluations):
            return replace(incident, last_run=self.run.run_id)
        resolved = replace(
            incident,
            resolved_at=self.run.ended_at,
            resolved_by_run=self.run.run_id,
            last_run=self.run.run_id,
            is_flapping=False,
            marts=self._marts_after(incident),
            held_back=0,
        )
        is_known = incident.inhibited_by and not self.policy.silence(incident.subject, self.now)
        if incident.announced or is_known:
            self.transitions.append(Transition(Kind.RESOLVED, resolved, self.run.ended_at, incident.announced))
        return resolved

    def _notify(self, kind: Kind, incident: Incident, before: Finding | None = None) -> Incident:
        known = incident if incident.inhibited_by else _announce(kind, incident, self.now)
        self.transitions.append(Transition(kind, known, self.run.ended_at, before or incident.announced))
        return known

    def _marts(self, names: Iterable[str]) -> tuple[MartState, ...]:
        return tuple(
            MartState(name, name in self.run.built, self.run.data_of.get(name), self.lineage.groups.get(name, ""))
            for name in sorted(names)
        )

    def _current(self, affected: Iterable[MartState]) -> tuple[MartState, ...]:
        """The marts that this run refreshed, but for those that an incident affects."""
        names = {mart.asset for mart in affected}
        return self._marts(name for name in self.run.built if self.lineage.is_mart(name) and name not in names)

    def _marts_after(self, incident: Incident) -> tuple[MartState, ...]:
        """The marts of an incident that this run resolved: up to date, unless they hold what was there before."""
        built = self.run.built

        def is_old(mart: MartState) -> bool:
            was_stopped = incident.stops and not mart.is_refreshed
            return mart.asset not in built and (was_stopped or not built.isdisjoint(self.lineage.upstream(mart.asset)))

        return tuple(replace(mart, is_refreshed=not is_old(mart)) for mart in rebuilt(incident, self.run).marts)


def rebuilt(incident: Incident, run: RunObservation) -> Incident:
    """With the marts noted as refreshed that a run has built."""
    marts = tuple(
        replace(mart, is_refreshed=True, data_of=run.data_of.get(mart.asset)) if mart.asset in run.built else mart
        for mart in incident.marts
    )
    return replace(incident, marts=marts)


def _due(incident: Incident, state: State, lineage: Lineage, policy: Policy, now: datetime) -> Iterator[Transition]:
    """What is due for an open, unsilenced incident by now, in order; the last carries it as it is then."""
    if incident.inhibited_by and speaks(incident.inhibited_by, state):
        return
    if incident.announced is None:
        cause = cause_of(incident.subject, state, lineage)
        inhibited = replace(incident, inhibited_by=cause)
        kind = Kind.INHIBITED if cause else _opening(inhibited)
        yield Transition(kind, inhibited if cause else _announce(kind, inhibited, now), now)
        return
    changed = None if incident.is_flapping else _difference(incident.announced, incident.finding)
    if changed:
        before, incident = incident.announced, _announce(changed, incident, now)
        if changed == Kind.RAISED:
            incident = replace(incident, acknowledged_by="")
        yield Transition(changed, incident, now, before)
    since = now - (incident.notified_at or incident.opened_at)
    # What was noted well ahead of now was so by a clock that was wrong: to wait for that could take for ever.
    is_old = since >= policy.renotify_after[incident.finding.severity] or since < -CLOCK_SKEW
    if is_old and not incident.acknowledged_by:
        yield Transition(Kind.REMINDED, replace(incident, notified_at=now), now)


def _difference(before: Finding, now: Finding) -> Kind | None:
    """What people would want to know of, compared with what they last read."""
    if before.severity != now.severity:
        return Kind.RAISED if now.severity == Severity.ERROR else Kind.LOWERED
    if before.outcome != now.outcome:
        return Kind.CHANGED
    if now.subject.is_job and before.reason != now.reason:
        return Kind.CHANGED
    if now.failing_rows != before.failing_rows:
        return Kind.WORSE if now.failing_rows > before.failing_rows else Kind.BETTER
    return None


def _opening(incident: Incident) -> Kind:
    if incident.is_flapping:
        return Kind.FLAPPING
    return Kind.OPENED if incident.episode == 1 else Kind.REOPENED


def _announce(kind: Kind, incident: Incident, now: datetime) -> Incident:
    # Who reads only the channel has not heard of what is in the thread.
    notified_at = now if kind.reaches_channel else incident.notified_at
    return replace(incident, announced=incident.finding, notified_at=notified_at, inhibited_by=None)


def _is_steady(evaluations: str) -> bool:
    return len(set(evaluations[-STEADY_EVALUATIONS:])) == 1
