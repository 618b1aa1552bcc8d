"""One pass of the alerts: what ended since the last one is observed, judged, remembered and dispatched.

Ties the pure parts to the ledger and to Dagster's history; the sensor, one run in a terminal and the command line call
it. Whatever happens between two steps, the next pass goes on where this one was. New incidents of one batch share a
thread; what happens to an incident later is a reply in its thread, and the thread's first message is edited.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout
from sqlalchemy import Row

from greenery_assets.alerts import digest, lifecycle, messages, runs, slow_runs
from greenery_assets.alerts.incidents import (
    Incident,
    Kind,
    RunObservation,
    Severity,
    State,
    Track,
    Transition,
    failed_run,
)
from greenery_assets.alerts.inhibit import Lineage, causes_first
from greenery_assets.alerts.ledger import FIRST_PASS, READ_TO, STARTED_AFTER, Book, Ledger, Outgoing, Thread
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.notify import SETTLE, Deliverer, Report, Transport
from greenery_assets.alerts.preview import write_preview
from greenery_assets.alerts.project import AlertsError, Catalogue
from greenery_assets.alerts.routing import Routing
from greenery_assets.alerts.runs import RunEnd
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.silence import Policy, Silence
from greenery_assets.alerts.wording import Reader

# How the first message of a thread is worded.
SINGLE, GROUP, FIRST = "single", "group", "first"
# With the longest delivery, a pass stays well under Dagster's limit of a minute.
LONGEST_READING = timedelta(seconds=8)


class BusyError(AlertsError):
    """Another process is at work on the same ledger."""


@dataclass(frozen=True)
class Dispatcher:
    """Puts the messages about what happened into the outbox, each in the channels and threads where it belongs."""

    routing: Routing
    reader: Reader
    lineage: Lineage
    book: Book
    now: datetime

    def dispatch(
        self,
        transitions: Sequence[Transition],
        state: State,
        touched: Sequence[Incident] = (),
        *,
        run_ended_at: datetime | None = None,
        is_first: bool = False,
    ) -> None:
        """Queue the messages for transitions that happened together, by the state after them, which is saved already.

        Of incidents that were only `touched`, the first messages of their threads are edited.
        """
        changes: dict[str, tuple[Thread, list[Transition]]] = {}
        opened: dict[str, list[Incident]] = {self.routing.default_channel: []} if is_first and not transitions else {}
        for happened in transitions:
            threads = self._threads(happened, state)
            known = {thread.channel for thread in threads}
            is_raised = happened.kind == Kind.RAISED and happened.incident.announced is not None
            if happened.kind.starts_thread or is_raised:
                for channel in self._channels(happened.incident):
                    if channel not in known:
                        opened.setdefault(channel, []).append(happened.incident)
            if not happened.kind.starts_thread:
                for thread in threads:
                    changes.setdefault(thread.root, (thread, []))[1].append(happened)
        for thread, happening in changes.values():
            is_broadcast = any(happened.kind.reaches_channel for happened in happening)
            for n, message in enumerate(messages.change_messages(happening, self.reader)):
                self._queue(Outgoing(thread.channel, message, thread.root, is_broadcast=is_broadcast and n == 0))
            self._edit(thread)
        for thread in {each.root: each for incident in touched for each in self.book.threads_of(incident)}.values():
            if thread.root not in changes:
                self._edit(thread)
        inhibited = [happened for happened in transitions if happened.kind == Kind.INHIBITED]
        for channel, incidents in opened.items():
            form = FIRST if is_first else SINGLE if len(incidents) == 1 else GROUP
            first = self._first_message(form, incidents)
            root = self._queue(Outgoing(channel, first, about_run_ended_at=run_ended_at))
            self.book.add_thread(root, form, incidents)
            subjects = {incident.subject for incident in incidents}
            below = [happened for happened in inhibited if happened.incident.inhibited_by in subjects]
            details = messages.detail_messages(incidents, self.reader) if form != SINGLE else []
            for message in [*details, *messages.change_messages(below, self.reader)]:
                self._queue(Outgoing(channel, message, root))

    def _threads(self, happened: Transition, state: State) -> list[Thread]:
        incident = happened.incident
        if incident.inhibited_by and not incident.announced:
            cause = state.get(incident.inhibited_by)
            return self.book.threads_of(cause.incident) if cause and cause.incident else []
        return self.book.threads_of(incident)

    def _channels(self, incident: Incident) -> tuple[str, ...]:
        groups, is_error = self.lineage.groups, incident.finding.severity == Severity.ERROR
        held = [groups.get(mart.asset, "") for mart in incident.marts if is_error and not mart.is_refreshed]
        return self.routing.channels_for(incident.finding.owner, groups.get(incident.subject.asset, ""), held)

    def _queue(self, out: Outgoing) -> str:
        return self.book.enqueue(out, self.now)

    def _edit(self, thread: Thread) -> None:
        message = self._first_message(thread.form, self.book.members(thread))
        self._queue(Outgoing(thread.channel, message, edits=thread.root))

    def _first_message(self, form: str, incidents: Sequence[Incident]) -> Message:
        if form == SINGLE:
            return messages.incident_message(incidents[0], self.reader)
        return messages.group_message(incidents, self.reader, is_first=form == FIRST)


@dataclass
class Alerts:
    """The alerts of one Dagster instance."""

    instance: dg.DagsterInstance
    catalogue: Catalogue
    ledger: Ledger
    routing: Routing
    reader: Reader
    transport: Transport
    settle: timedelta = SETTLE
    log: logging.Logger = field(default_factory=lambda: logging.getLogger(__name__))

    def run_pass(self, wait_s: float = 0) -> Report:
        """Observe what is new and deliver what waits. Raises BusyError when another pass goes on for longer."""
        with self._alone(wait_s):
            try:
                taken = self.read_news(datetime.now(UTC))
                self.mind_the_time(datetime.now(UTC))
            finally:
                # What waits goes out even where something new cannot be read.
                delivered = self.deliver()
        delivered.runs = taken
        return delivered

    def begin(self) -> None:
        """Start at the head of history, if this is the first time: what already fails comes in one summary."""
        with self._alone(wait_s=30):
            self._begin(datetime.now(UTC))

    def read_news(self, now: datetime) -> int:
        """Take in the runs that ended since the last time, for up to eight seconds; returns how many."""
        self._begin(now)
        ends_at = datetime.now(UTC) + LONGEST_READING
        with self.ledger.transaction() as book:
            news = self._news(book)
            if news is None:
                self.log.warning("Dagster's history was started again; it is read from its start.")
                book.forget_runs()
                news = self._news(book) or []
        taken = 0
        for end in news:
            if datetime.now(UTC) > ends_at or runs.may_be_retried(self.instance, end, now):
                break
            taken += self.take_in(end, now)
        return taken

    def mind_the_time(self, now: datetime) -> None:
        """Say what is due without an ended run: reminders, silences that ended, a slow run, the day's digest."""
        self.pass_time(now)
        with self.ledger.transaction() as book:
            slow_runs.keep_reported(book, self.instance, self.catalogue, self.routing, self.reader, now=now)
        project = self.catalogue.project
        (figures, built_at), changes = runs.figures(self.instance, project), runs.changes(self.instance, project)
        with self.ledger.transaction() as book:
            if facts := digest.facts_of_today(
                book, self.catalogue, self.routing, now, figures=figures, figures_built_at=built_at, changes=changes
            ):
                digest.keep_current(book, facts, self.reader, self.routing.digest_channel, now)

    def pass_time(self, now: datetime) -> None:
        """Reminders, and what a silence or a cause kept back until now."""
        with self.ledger.transaction() as book:
            before, known = book.state(), self.catalogue
            left, closed = lifecycle.retire(before, known.lineage, known.subjects, known.jobs, now)
            after, transitions = lifecycle.time_passes(left, known.lineage, self._policy(book, now), now)
            self._notify(book, before, after, [*closed, *transitions], now)

    def deliver(self) -> Report:
        report = Deliverer(
            self.ledger, self.transport, self.routing.channels, self.routing.default_channel, self.log, self.settle
        ).deliver()
        project = self.catalogue.project
        if self.transport.is_preview and (report.sent or report.edited or not project.preview.exists()):
            try:
                write_preview(self.ledger, project, is_sample=self.reader.is_sample)
            except OSError as error:
                setting = project.setting("REPORT_DIR")
                reason = f"{project.preview} cannot be written ({error.strerror}); name another {setting}."
                report.problems.append(reason)
                self.log.error(reason)
        return report

    def acknowledge(self, number: int, by: str) -> Incident | None:
        """Note that somebody is on an incident, and say so in its thread; None where no such one is open."""
        now = datetime.now(UTC)
        with self._alone(wait_s=30), self.ledger.transaction() as book:
            incident = book.open_incidents().get(number)
            if incident is None:
                return None
            before = book.state()
            track, transitions = lifecycle.acknowledge(before[incident.subject], by, now)
            if not transitions:
                return incident if incident.announced else None
            self._notify(book, before, {**before, incident.subject: track}, transitions, now)
            return track.incident

    def look_at_source(self) -> None:
        """Have what is said from now on name sample data as that, if it is."""
        self.reader = replace(self.reader, is_sample=runs.is_sample_data(self.instance, self.catalogue))

    def silence(self, silence: Silence) -> None:
        """Notify nobody of some checks for a while."""
        with self._alone(wait_s=30), self.ledger.transaction() as book:
            book.add_silence(silence)

    def _begin(self, now: datetime) -> None:
        with self.ledger.transaction() as book:
            first = book.progress(FIRST_PASS)
            if first and datetime.fromisoformat(first) > now:
                # Noted by a clock that was ahead: nobody would expect a daily run on a day to come.
                book.set_progress(FIRST_PASS, now.isoformat())
            if book.progress(READ_TO) is not None:
                return
            newest = runs.newest_run_end(self.instance)
            head = str(newest.storage_id if newest else 0)
            book.set_progress(READ_TO, head)
            book.set_progress(STARTED_AFTER, head)
            book.set_progress(FIRST_PASS, now.isoformat())
            before = state = book.state()
            for end in runs.runs_that_count(self.instance, self.catalogue):
                if run := runs.read_run(self.instance, end, self.catalogue):
                    state, _ = lifecycle.observe(state, run, self.catalogue.lineage, self._policy(book, now), now)
                    book.record_outcomes(run)
            open_ones = [track.open_incident for track in state.values() if track.open_incident]
            ranked = sorted(open_ones, key=lambda each: causes_first(each.subject, self.catalogue.lineage))
            known = [
                Transition(Kind.INHIBITED if each.inhibited_by else Kind.OPENED, each, now)
                for each in ranked
                if each.inhibited_by or each.announced
            ]
            if newest:
                self._notify(book, before, state, known, now, is_first=True)

    def _news(self, book: Book) -> list[RunEnd] | None:
        """The ended runs that were not recorded yet; None where Dagster's log is not the one known so far."""
        read_to, started_after = (int(book.progress(name) or 0) for name in (READ_TO, STARTED_AFTER))
        ends = [end for end in runs.run_ends(self.instance, read_to) if end.storage_id > started_after]
        recorded = book.recorded(end.storage_id for end in ends)
        newest = ends[-1] if ends else runs.newest_run_end(self.instance)
        is_odd = (newest.storage_id if newest else 0) < read_to or any(
            recorded.get(end.storage_id, end.run_id) != end.run_id for end in ends
        )
        # Runs that somebody deleted make it odd as well, but then older ones are still there.
        known = book.newest_runs() if is_odd else []
        if known and not any(self.instance.has_run(run_id) for run_id in known):
            return None
        return [end for end in ends if recorded.get(end.storage_id) != end.run_id]

    def take_in(self, end: RunEnd, now: datetime) -> bool:
        """Read one ended run and remember it; returns whether it is ours."""
        run = runs.read_run(self.instance, end, self.catalogue)
        self.remember(end.storage_id, run, now)
        return run is not None

    def remember(self, end_id: int, run: RunObservation | None, now: datetime) -> None:
        """What a run found, what follows and the messages about it, in one transaction.

        `end_id` is the place of its end in Dagster's log; None is a run that is not ours, or not there any more.
        """
        with self.ledger.transaction() as book:
            book.set_progress(READ_TO, str(max(end_id, int(book.progress(READ_TO) or 0))))
            if run is None:
                return
            book.record_run(end_id, run, is_sound=failed_run(run) is None)
            book.record_outcomes(run)
            before = book.state()
            after, transitions = lifecycle.observe(before, run, self.catalogue.lineage, self._policy(book, now), now)
            rebuilt = [new for old in book.left_stale() if (new := lifecycle.rebuilt(old, run)) != old]
            self._notify(book, before, after, transitions, now, run_ended_at=run.ended_at, rebuilt=rebuilt)

    def _notify(
        self,
        book: Book,
        before: State,
        after: State,
        transitions: Sequence[Transition],
        now: datetime,
        *,
        run_ended_at: datetime | None = None,
        is_first: bool = False,
        rebuilt: Sequence[Incident] = (),
    ) -> None:
        touched = [
            track.incident
            for subject, track in sorted(after.items())
            if track.open_incident and track.incident and _has_changed(before.get(subject), track.incident)
        ]
        book.save(before, after)
        for incident in rebuilt:
            book.save_incident(incident)
        dispatcher = Dispatcher(self.routing, self.reader, self.catalogue.lineage, book, now)
        dispatcher.dispatch(transitions, after, [*touched, *rebuilt], run_ended_at=run_ended_at, is_first=is_first)

    def _policy(self, book: Book, now: datetime) -> Policy:
        return self.routing.policy(book.silences(now))

    @contextmanager
    def _alone(self, wait_s: float) -> Iterator[None]:
        file = self.catalogue.project.home / "alerts.lock"
        lock = FileLock(file)
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            raise BusyError(f"Another process is at work on the alerts ({file}).") from None
        except OSError as error:
            raise LedgerError(
                f"The alerts' lock {file} cannot be used ({error.strerror}). Let this user write it and its "
                "folder, or free some space there."
            ) from None
        try:
            self.look_at_source()
            yield
        finally:
            lock.release()


def _has_changed(before: Track | None, incident: Incident) -> bool:
    """Whether an incident's first message is to be edited; which run found the same last does not count."""
    known = before.incident if before else None
    return known is not None and replace(known, last_run=incident.last_run, found_at=incident.found_at) != incident


def replayed(alerts: Alerts, since: datetime) -> Iterator[tuple[datetime, Row[Any]]]:
    """The messages of the runs that ended since a time, with the run's end, as if alerts had begun then."""
    with closing(Ledger.open(replace(alerts.catalogue.project, ledger_url="sqlite://"))) as ledger:
        rehearsal = replace(alerts, ledger=ledger, log=logging.getLogger(f"{__name__}.replay"))
        rehearsal.look_at_source()
        last = 0
        for end in runs.run_ends(alerts.instance, since=since):
            rehearsal.pass_time(end.at)
            rehearsal.take_in(end, end.at)
            with ledger.transaction() as book:
                for row in book.waiting():
                    if row.id > last and not row.edits:
                        yield end.at, row
                    last = max(last, row.id)
