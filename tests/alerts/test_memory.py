"""The ledger forgets nothing: random runs and days over a real one, against a memory that holds everything.

What the alerts make of a run depends on what they remember. A subject without an open incident (a job that failed last
month, a check whose incident was closed) must be remembered as well as one with it: or its episode begins at 1 again,
the old row is overwritten, and an edit of the old message takes the place of a new one, which notifies nobody.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

import dagster as dg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import create_engine, select
from sqlalchemy.exc import IntegrityError

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.incidents import AD_HOC_JOB, Incident, RunObservation, State, Subject, Track
from greenery_assets.alerts.ledger import INCIDENT, Outgoing, Thread
from greenery_assets.alerts.preview import LogTransport
from greenery_assets.alerts.runs import Catalogue
from greenery_assets.alerts.schema import incidents, outbox, threads
from greenery_assets.alerts.wording import Reader
from tests.alerts.builders import HOUR, JOB, LINEAGE, START, SUBJECTS, Story, finding, findings, run
from tests.alerts.projects import ledger_at, project_in
from tests.alerts.shop import HAPPENS, ROUTING, Shop
from tests.alerts.told import READER

CHECKS = [subject for subject in SUBJECTS.values() if not subject.is_job]


@cache
def catalogue() -> Catalogue:
    """The shop's, with the check that has partitions."""
    # Dagster looks up where definitions keep a state in the instance that was entered last, which may be gone.
    with dg.DagsterInstance.ephemeral():
        known = Shop(Path(), cast("Any", None)).catalogue
    key = dg.AssetCheckKey(dg.AssetKey(["raw", "orders"]), "orders_of_the_day")
    return replace(known, checks={**known.checks, key: dg.AssetCheckSpec(key.name, asset=key.asset_key)})


@dataclass
class AllInMind:
    """As the ledger, for what the alerts do with one: everything is in mind, and nothing is looked up."""

    # ruff: noqa: ARG002  the ledger's own signatures

    tracks: dict[Subject, Track] = field(default_factory=dict)
    episodes: dict[tuple[Subject, int], Incident] = field(default_factory=dict)
    roots: dict[str, tuple[str, list[tuple[Subject, int]]]] = field(default_factory=dict)
    messages: list[Outgoing] = field(default_factory=list)

    @contextmanager
    def transaction(self) -> Iterator["AllInMind"]:
        yield self

    def progress(self, name: str) -> str:
        return "0"

    def set_progress(self, name: str, value: str) -> None: ...

    def record_run(self, end_id: int, run: RunObservation, *, is_sound: bool) -> None: ...

    def record_outcomes(self, run: RunObservation) -> None: ...

    def silences(self, now: datetime) -> list[Any]:
        return []

    def state(self) -> State:
        return dict(self.tracks)

    def save(self, before: State, after: State) -> None:
        self.tracks = dict(after)
        for track in after.values():
            if track.incident:
                self.save_incident(track.incident)

    def save_incident(self, incident: Incident) -> None:
        self.episodes[incident.subject, incident.episode] = incident
        track = self.tracks[incident.subject]
        if track.incident and track.incident.episode == incident.episode:
            self.tracks[incident.subject] = replace(track, incident=incident)

    def left_stale(self) -> list[Incident]:
        return [incident for incident in self.episodes.values() if incident.stale_marts]

    def enqueue(self, out: Outgoing, now: datetime) -> str:
        self.messages.append(out)
        return out.delivery_id

    def add_thread(self, root: str, form: str, members: Iterable[Incident]) -> None:
        self.roots[root] = form, [(member.subject, member.episode) for member in members]

    def threads_of(self, incident: Incident) -> list[Thread]:
        channels = {message.delivery_id: message.channel for message in self.messages}
        return [
            Thread(root, channels[root], form)
            for root, (form, members) in self.roots.items()
            if (incident.subject, incident.episode) in members
        ]

    def members(self, thread: Thread) -> list[Incident]:
        order = list(self.episodes)
        return [self.episodes[key] for key in sorted(self.roots[thread.root][1], key=order.index)]


def alerts_over(ledger: object, folder: Path) -> Alerts:
    return Alerts(
        instance=cast("Any", None),
        catalogue=replace(catalogue(), project=project_in(folder)),
        ledger=cast("Any", ledger),
        routing=ROUTING,
        reader=Reader(READER.timezone, READER.ui_url),
        transport=LogTransport(HAPPENS),
        log=HAPPENS,
    )


# Of each kind one or two: a subject must fail, recover and fail again within a few runs.
CODES = st.sampled_from(["P", "P", "F1", "F2", "f1", "X", "?"])
FOUND = st.dictionaries(st.sampled_from(CHECKS), CODES, max_size=4)


class Remembering(RuleBasedStateMachine):
    """Runs that fail, recover, fail by another cause; time; checks that go and come back; new processes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp())
        self.file = self.folder / "alerts.sqlite"
        shutil.copy(empty_ledger(), self.file)
        self.url = f"sqlite:///{self.file}"
        self.ledger, self.mind = ledger_at(self.url), AllInMind()
        self.real, self.model = alerts_over(self.ledger, self.folder), alerts_over(self.mind, self.folder)
        self.now, self.runs = START, 0
        self.were_open: set[Subject] = set()

    def teardown(self) -> None:
        self.ledger.close()
        shutil.rmtree(self.folder)

    @rule(
        found=FOUND,
        job=st.sampled_from([JOB, JOB, "another_job", AD_HOC_JOB]),
        status=st.sampled_from(["", "", "", "FAILURE", "CANCELED"]),
        problem=st.sampled_from(["", "No folder.", "No disk."]),
        not_built=st.sets(st.sampled_from(["raw/orders", "marketing/users"]), max_size=1),
    )
    def a_run_ends(
        self, found: Mapping[Subject, str], job: str, status: str, problem: str, not_built: set[str]
    ) -> None:
        """Any run."""
        self.see(
            run(
                self.runs,
                [finding(subject, code) for subject, code in found.items()],
                job=job,
                status=status,
                problem=problem if status == "FAILURE" else "",
                built=set(LINEAGE.groups) - not_built,
                not_built=not_built,
            )
        )

    @rule()
    def all_is_well(self) -> None:
        """A run in which everything holds."""
        every = [finding(subject, "P") for subject in CHECKS]
        self.see(run(self.runs, every, built=LINEAGE.groups))

    @rule(problem=st.sampled_from(["No folder.", "No disk."]))
    def the_source_is_missing(self, problem: str) -> None:
        """A run that failed before it built or evaluated anything."""
        every = [finding(subject, "?") for subject in CHECKS]
        self.see(run(self.runs, every, status="FAILURE", problem=problem, not_built=LINEAGE.groups))

    @rule(hours=st.sampled_from([1, 30]))
    def time_passes(self, hours: int) -> None:
        """No run."""
        self.now += timedelta(hours=hours)
        self.real.pass_time(self.now)
        self.model.pass_time(self.now)

    @rule(gone=st.sets(st.sampled_from(["orders", "staged"])))
    def checks_go_and_come_back(self, gone: set[str]) -> None:
        """Another version of the project."""
        checks = {key: spec for key, spec in catalogue().checks.items() if key.name not in gone}
        for alerts in (self.real, self.model):
            alerts.catalogue = replace(catalogue(), checks=checks)
            alerts.pass_time(self.now)

    @precondition(lambda self: self.runs)
    @rule()
    def the_process_starts_again(self) -> None:
        """All that is known is what the file holds."""
        self.ledger.close()
        self.ledger = self.real.ledger = ledger_at(self.url)

    def see(self, ended: RunObservation) -> None:
        self.runs += 1
        self.now += HOUR
        ended = replace(ended, ended_at=self.now, run_id=f"run-{self.runs}")
        for alerts in (self.real, self.model):
            alerts.remember(self.runs, ended, self.now)

    @invariant()
    def the_same_is_remembered_and_told(self) -> None:
        """Every episode as it is, every message in its order, and which thread it is in."""
        with create_engine(self.url).connect() as connection:
            rows = connection.execute(select(incidents).order_by(incidents.c.id)).all()
            messages = connection.execute(select(outbox).order_by(outbox.c.id)).all()
            told_in = connection.execute(
                select(
                    threads.c.root, incidents.c.asset, incidents.c.name, incidents.c.partition, incidents.c.episode
                ).join(incidents, incidents.c.id == threads.c.incident_id)
            ).all()
        kept = [INCIDENT.validate_json(row.body) for row in rows]
        assert {(each.subject, each.episode): each for each in kept} == self.mind.episodes
        assert told(messages) == told(self.mind.messages)
        self.openings_are_new_messages(kept, messages, told_in)

    def openings_are_new_messages(
        self, kept: Sequence[Incident], messages: Sequence[Any], told_in: Sequence[Any]
    ) -> None:
        """An edit notifies nobody: each episode that people know of has a message of its own, and no other's."""
        first = {row.delivery_id for row in messages if row.root is None and row.edits is None}
        for incident in kept:
            key = (incident.subject.asset, incident.subject.name, incident.subject.partition)
            mine = {row.root for row in told_in if (row.asset, row.name, row.partition) == key}
            of_episode = {
                row.root
                for row in told_in
                if (row.asset, row.name, row.partition, row.episode) == (*key, incident.episode)
            }
            others = mine - of_episode
            assert of_episode <= first
            assert not of_episode & others
            if incident.announced is not None:
                assert of_episode
        for subject in {incident.subject for incident in kept}:
            episodes = sorted(each.episode for each in kept if each.subject == subject)
            assert episodes == list(range(1, len(episodes) + 1))


def told(messages: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Messages with their ids by number."""
    numbers: dict[str | None, int] = {None: -1}
    return [
        (
            numbers.setdefault(each.delivery_id, len(numbers)),
            numbers[each.root],
            numbers[each.edits],
            each.channel,
            each.is_broadcast,
            each.message.text if isinstance(each, Outgoing) else each.text,
        )
        for each in messages
    ]


@cache
def empty_ledger() -> Path:
    """Made once: its tables take a moment."""
    file = Path(mkdtemp()) / "empty.sqlite"
    ledger_at(f"sqlite:///{file}").close()
    return file


@pytest.mark.slow
def test_a_ledger_remembers_as_well_as_one_that_keeps_all_in_mind() -> None:
    few = settings(
        max_examples=25, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(Remembering, settings=few)


def test_messages_are_edited_in_one_order_whatever_the_database_returns_first() -> None:
    state, events, users = Remembering(), SUBJECTS["events"], SUBJECTS["users"]
    state.all_is_well()
    for found in ({users: "F1"}, {events: "F1"}):
        state.a_run_ends(found=found, job=JOB, status="", problem="", not_built=set())
    state.the_source_is_missing(problem="No folder.")
    state.the_same_is_remembered_and_told()
    state.teardown()


GOOD = run(0, [finding(subject, "P") for subject in CHECKS], built=LINEAGE.groups)
MISSING = run(
    0, [finding(subject, "?") for subject in CHECKS], status="FAILURE", problem="No folder.", not_built=LINEAGE.groups
)


@pytest.mark.parametrize("bad", [MISSING, run(0, findings("orders=F3")), run(0, findings("monday=F3 daily=?"))])
def test_what_fails_again_after_it_was_closed_is_told_by_a_new_message(tmp_path: Path, bad: RunObservation) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'alerts.sqlite'}")
    alerts = alerts_over(ledger, tmp_path)
    for number, one in enumerate([GOOD, bad, GOOD, bad], 1):
        alerts.remember(number, replace(one, run_id=f"run-{number}"), START + number * HOUR)
    with ledger.transaction() as book:
        (incident,) = book.open_incidents().values()
        new = [row.text for row in book.waiting() if row.root is None and row.edits is None]
    ledger.close()
    assert incident.episode == 2
    assert len(new) == 2
    assert "Again" in new[1]


def test_an_episode_that_was_saved_is_never_overwritten_by_another(tmp_path: Path) -> None:
    ledger = ledger_at(f"sqlite:///{tmp_path / 'alerts.sqlite'}")
    first, second = Story(), Story()
    first.see(status="FAILURE", problem="No folder.")
    second.see(status="FAILURE", problem="No disk.")
    with ledger.transaction() as book:
        book.save({}, first.state)
    with pytest.raises(IntegrityError), ledger.transaction() as book:
        book.save({}, second.state)
    known = first.state[SUBJECTS["job"]].incident
    assert known
    with pytest.raises(LookupError), ledger.transaction() as book:
        book.save_incident(replace(known, episode=7))
    ledger.close()
