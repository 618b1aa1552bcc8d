"""What is true of incidents whatever happens: random runs, hours, silences over a random lineage."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from greenery_assets.alerts.incidents import Finding, Incident, Kind, RunObservation, State, Subject, Transition
from greenery_assets.alerts.inhibit import Lineage
from greenery_assets.alerts.lifecycle import observe, time_passes
from greenery_assets.alerts.silence import Policy, Silence
from tests.alerts.builders import RENOTIFY_AFTER, START, finding, run

ASSETS = tuple("abcdef")
CODES = ("P", "P", "P", "F1", "F2", "f1", "f2", "X", "x", "?")
CHECKS = (
    *(Subject(asset, f"{asset}_is_right") for asset in ASSETS),
    Subject("a", "a_is_complete", "monday"),
    Subject("a", "a_is_complete", "tuesday"),
)
FAMILIES = st.fixed_dictionaries(
    {
        asset: st.frozensets(st.sampled_from(ASSETS[:index]), max_size=2) if index else st.just(frozenset())
        for index, asset in enumerate(ASSETS)
    }
)
LINEAGES = FAMILIES.map(lambda parents: Lineage(parents, dict.fromkeys(ASSETS, "core"), frozenset({"core"})))
FOUND = st.dictionaries(st.sampled_from(CHECKS), st.sampled_from(CODES), min_size=1)


@dataclass(frozen=True)
class Step:
    """Hours that pass, perhaps a silence of a check that begins, perhaps then a run."""

    hours: int
    silenced: Subject | None
    silenced_hours: int
    found: dict[Subject, str]
    job: str
    status: str


def steps(silenced: st.SearchStrategy[Subject | None]) -> st.SearchStrategy[list[Step]]:
    one = st.builds(
        Step,
        hours=st.sampled_from([1, 1, 1, 30]),
        silenced=silenced,
        silenced_hours=st.integers(1, 40),
        found=FOUND,
        job=st.sampled_from(["daily_job", "hourly_job", "__ASSET_JOB"]),
        status=st.sampled_from(["", "", "", "FAILURE", "CANCELED"]),
    )
    return st.lists(one, min_size=1, max_size=14)


SILENCED = st.none() | st.none() | st.none() | st.sampled_from(CHECKS)
STEPS = steps(SILENCED)
LOUD_STEPS = steps(st.none())


@dataclass(frozen=True)
class Moment:
    """What a run, and the time before it, made of a state."""

    before: State
    observed: State
    run: RunObservation
    policy: Policy
    told_by_time: list[Transition]
    told_by_run: list[Transition]

    @property
    def evaluated(self) -> dict[Subject, Finding]:
        return {found.subject: found for found in self.run.findings if found.outcome != "unknown"}


def live(lineage: Lineage, journal: Iterable[Step]) -> list[Moment]:
    state: State = {}
    policy = Policy(RENOTIFY_AFTER)
    now = START
    moments = []
    for number, step in enumerate(journal):
        now += timedelta(hours=step.hours)
        if step.silenced:
            until = now + timedelta(hours=step.silenced_hours)
            policy = replace(
                policy, silences=(*policy.silences, Silence(step.silenced.asset, step.silenced.name, "Why.", until))
            )
        before, told_by_time = time_passes(state, lineage, policy, now)
        found = [finding(subject, code) for subject, code in step.found.items()]
        seen = run(number, found, job=step.job, status=step.status, ended_at=now)
        state, told_by_run = observe(before, seen, lineage, policy, now)
        moments.append(Moment(before, state, seen, policy, told_by_time, told_by_run))
    return moments


def open_incidents(state: State) -> dict[Subject, Incident]:
    return {subject: track.open_incident for subject, track in state.items() if track.open_incident}


def told(moments: Iterable[Moment]) -> list[Transition]:
    return [happened for moment in moments for happened in (*moment.told_by_time, *moment.told_by_run)]


def known(found: Finding | None) -> tuple[str, str, int] | None:
    return (found.severity, found.outcome, found.failing_rows) if found else None


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_seeing_a_run_twice_tells_nothing_new_unless_a_check_flaps(lineage: Lineage, journal: list[Step]) -> None:
    last = live(lineage, journal)[-1]
    again, happened = observe(last.observed, last.run, lineage, last.policy, last.run.ended_at)
    flapping = {subject for subject, incident in open_incidents(last.observed).items() if incident.is_flapping}
    assert {one.incident.subject for one in happened} <= flapping
    if not flapping:
        assert open_incidents(again) == open_incidents(last.observed)


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_an_episode_begins_once_and_is_resolved_at_most_once_and_last(lineage: Lineage, journal: list[Step]) -> None:
    episodes = defaultdict(list)
    for happened in told(live(lineage, journal)):
        episodes[happened.incident.subject, happened.incident.episode].append(happened.kind)
    for kinds in episodes.values():
        starts = [kind for kind in kinds if kind.starts_thread]
        assert len(starts) + kinds.count(Kind.INHIBITED) > 0
        assert kinds[0].starts_thread or kinds[0] == Kind.INHIBITED
        assert len(starts) <= 1
        assert Kind.RESOLVED not in kinds[:-1]


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_episodes_of_a_subject_count_up_by_one(lineage: Lineage, journal: list[Step]) -> None:
    for moment in live(lineage, journal):
        for subject, track in moment.observed.items():
            earlier = moment.before[subject].incident if subject in moment.before else None
            before, after = (incident.episode if incident else 0 for incident in (earlier, track.incident))
            was_resolved = earlier is None or not earlier.is_open
            assert after == before or (after == before + 1 and was_resolved)


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_what_was_last_found_failing_is_open_and_what_passed_is_not(lineage: Lineage, journal: list[Step]) -> None:
    last: dict[Subject, Finding] = {}
    for moment in live(lineage, journal):
        last.update(moment.evaluated)
        still_open = open_incidents(moment.observed)
        for subject, found in last.items():
            if found.outcome.is_failing:
                assert still_open[subject].finding == found
            else:
                assert subject not in still_open or still_open[subject].is_flapping
        assert {subject for subject in still_open if not subject.is_job} <= set(last)


@settings(deadline=None)
@given(LINEAGES, LOUD_STEPS)
def test_people_know_the_newest_of_all_that_fails_unless_it_flaps_or_is_folded(
    lineage: Lineage, journal: list[Step]
) -> None:
    moments = live(lineage, journal)
    for moment in moments:
        # After time alone too: what was released from a cause that is gone is told then.
        settled, _ = time_passes(moment.observed, lineage, moment.policy, moment.run.ended_at)
        for incident in open_incidents(settled).values():
            if incident.is_flapping:
                continue
            if incident.announced is None:
                assert incident.inhibited_by
                assert open_incidents(settled)[incident.inhibited_by].blocks
            else:
                assert known(incident.announced) == known(incident.finding)


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_nobody_is_left_in_the_dark_but_by_a_silence_or_under_a_cause(lineage: Lineage, journal: list[Step]) -> None:
    last = live(lineage, journal)[-1]
    settled, _ = time_passes(last.observed, lineage, last.policy, last.run.ended_at)
    for subject, incident in open_incidents(settled).items():
        # One that comes and goes is told when it fails the next time.
        holds_now = incident.is_flapping and settled[subject].evaluations.endswith("P")
        is_silenced = last.policy.silence(subject, last.run.ended_at)
        if incident.announced is None and not is_silenced and not holds_now:
            assert incident.inhibited_by
            assert open_incidents(settled)[incident.inhibited_by].blocks


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_nothing_but_folding_and_the_end_is_told_of_what_is_silenced(lineage: Lineage, journal: list[Step]) -> None:
    for moment in live(lineage, journal):
        for happened in (*moment.told_by_time, *moment.told_by_run):
            if moment.policy.silence(happened.incident.subject, moment.run.ended_at):
                assert happened.kind in {Kind.INHIBITED, Kind.RESOLVED}


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_what_is_folded_lies_below_a_cause_that_people_know_of(lineage: Lineage, journal: list[Step]) -> None:
    for moment in live(lineage, journal):
        begun = set(open_incidents(moment.before))
        for happened in moment.told_by_run:
            cause = happened.incident.inhibited_by
            if happened.kind == Kind.INHIBITED:
                assert cause
                assert cause in begun
                assert cause.asset in lineage.upstream(happened.incident.subject.asset)
                assert open_incidents(moment.observed)[cause].blocks
            begun.add(happened.incident.subject)


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_causes_are_told_before_what_lies_below_them(lineage: Lineage, journal: list[Step]) -> None:
    for moment in live(lineage, journal):
        checks = [happened.incident.subject for happened in moment.told_by_run if not happened.incident.subject.is_job]
        for index, subject in enumerate(checks):
            assert not {later.asset for later in checks[index:]} & lineage.upstream(subject.asset)


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_checks_that_were_not_evaluated_stay_as_they_were(lineage: Lineage, journal: list[Step]) -> None:
    for moment in live(lineage, journal):
        untouched = set(CHECKS) - set(moment.evaluated)
        assert not untouched & {happened.incident.subject for happened in moment.told_by_run}
        assert {subject: moment.before.get(subject) for subject in untouched} == {
            subject: moment.observed.get(subject) for subject in untouched
        }


@settings(deadline=None)
@given(LINEAGES, STEPS)
def test_what_is_told_shows_the_incident_as_it_is_remembered(lineage: Lineage, journal: list[Step]) -> None:
    for moment in live(lineage, journal):
        for happened in moment.told_by_run:
            assert moment.observed[happened.incident.subject].incident == happened.incident


@settings(deadline=None)
@given(LINEAGES, STEPS, st.integers(0, 400))
def test_time_alone_tells_each_thing_once(lineage: Lineage, journal: list[Step], hours: int) -> None:
    last = live(lineage, journal)[-1]
    now = last.run.ended_at + timedelta(hours=hours)
    once, _ = time_passes(last.observed, lineage, last.policy, now)
    assert time_passes(once, lineage, last.policy, now) == (once, [])
