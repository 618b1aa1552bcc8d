"""One pass of the alerts: what ended since the last one is observed, judged, remembered and told.

Ties the pure parts to the ledger and to Dagster's history; the sensor, `make run` and the command line call it.
Whatever happens between two steps, the next pass goes on where this one was.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
from filelock import FileLock, Timeout

from greenery_assets.alerts.broken_runs import broken_runs
from greenery_assets.alerts.daily import Editor
from greenery_assets.alerts.delivery import SETTLE, Deliverer, Report, Transport
from greenery_assets.alerts.failed_runs import failed_run
from greenery_assets.alerts.history import (
    Catalogue,
    RunEnd,
    figures,
    is_sample_data,
    last_evaluations,
    may_be_retried,
    newest_run_end,
    read_run,
    run_ends,
)
from greenery_assets.alerts.incidents import Incident, Memory, Policy, Silence, State, Track, Transition
from greenery_assets.alerts.ledger import FIRST_PASS, READ_TO, STARTED_AFTER, Book, Ledger
from greenery_assets.alerts.lifecycle import acknowledge, observe, rebuilt, retire, time_passes
from greenery_assets.alerts.messages import Reader
from greenery_assets.alerts.observations import RunObservation
from greenery_assets.alerts.planning import Planner
from greenery_assets.alerts.routing import Routing
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.without_slack import write_preview

# With the longest delivery, a pass stays well under Dagster's limit of a minute.
LONGEST_READING = timedelta(seconds=8)


class BusyError(Exception):
    """Another process is at work on the same ledger."""


@dataclass
class PassReport(Report):
    """What a pass did: ended runs read, beside what was delivered."""

    runs: int = 0


@dataclass
class Alerts:
    """The alerts of one Dagster instance.

    `lock` names the file that keeps two passes apart: the sensor's and that of `make run`; `preview` the page to
    draw the messages on where no token for Slack is set; `picture` the report's, which the digest carries.
    """

    instance: dg.DagsterInstance
    catalogue: Catalogue
    ledger: Ledger
    routing: Routing
    reader: Reader
    transport: Transport
    lock: Path
    picture: Path
    preview: Path | None = None
    settle: timedelta = SETTLE
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("greenery.alerts"))

    def run_pass(self, wait_s: float = 0) -> PassReport:
        """Observe what is new and deliver what waits. Raises BusyError when another pass goes on for longer."""
        with self._alone(wait_s):
            try:
                runs = self.read_news(datetime.now(UTC))
                self.mind_the_time(datetime.now(UTC))
            finally:
                # What waits goes out even where something new cannot be read.
                delivered = self.deliver()
        return PassReport(**vars(delivered), runs=runs)

    def begin(self) -> None:
        """Start at the head of history, if this is the first time: what already fails is told in one summary."""
        with self._alone(wait_s=30):
            self._begin(datetime.now(UTC))

    def read_news(self, now: datetime) -> int:
        """Take in the runs that ended since the last time, for up to eight seconds; returns how many."""
        self._begin(now)
        ends_at = datetime.now(UTC) + LONGEST_READING
        with self.ledger.transaction() as book:
            news = self._news(book)
            if news is None:
                self.log.warning("Dagster's history has begun anew; it is read from its start.")
                book.forget_runs()
                news = self._news(book) or []
        taken = 0
        for end in news:
            if datetime.now(UTC) > ends_at or may_be_retried(self.instance, end, now):
                break
            taken += self.take_in(end, now)
        return taken

    def mind_the_time(self, now: datetime) -> None:
        """Say what is due without any run: reminders, silences that ended, the day's digest."""
        self.pass_time(now)
        with self.ledger.transaction() as book:
            policy = self._policy(book, now)
            editor = Editor(self.catalogue.lineage, self.catalogue.subjects, self.routing, self.reader, self.picture)
            if due := editor.due(book, policy, now):
                editor.write(book, due, figures(self.instance), now)

    def pass_time(self, now: datetime) -> None:
        """Reminders, and what a silence or a cause kept back until now."""
        with self.ledger.transaction() as book:
            before, policy = book.state(), self._policy(book, now)
            catalogue = self.catalogue
            left, closed = retire(before, catalogue.lineage, catalogue.subjects, now, catalogue.jobs)
            after, transitions = time_passes(left, self.catalogue.lineage, policy, now)
            self._tell(book, before, after, [*closed, *transitions], now)

    def deliver(self) -> Report:
        """Send what waits."""
        deliverer = Deliverer(
            self.ledger, self.transport, self.routing.channels, self.routing.default_channel, self.log, self.settle
        )
        report = deliverer.deliver()
        if self.preview and (report.sent or report.edited or not self.preview.exists()):
            try:
                write_preview(self.ledger, self.preview, self.picture, is_sample=self.reader.is_sample)
            except OSError as error:
                reason = f"{self.preview} cannot be written ({error.strerror}); name another GREENERY_REPORT_DIR."
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
            track, transitions = acknowledge(before[incident.subject], by, now)
            if not transitions:
                return incident if incident.announced else None
            after = Memory(before)
            after[incident.subject] = track
            self._tell(book, before, after, transitions, now)
            return track.incident

    def look_at_source(self) -> None:
        """Have what is said from now on name sample data as that, if it is."""
        self.reader = replace(self.reader, is_sample=is_sample_data(self.instance, self.catalogue))

    def silence(self, silence: Silence) -> None:
        """Tell nobody about some checks for a while."""
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
            newest = newest_run_end(self.instance)
            head = str(newest.storage_id if newest else 0)
            book.set_progress(READ_TO, head)
            book.set_progress(STARTED_AFTER, head)
            book.set_progress(FIRST_PASS, now.isoformat())
            transitions: list[Transition] = []
            before = book.state()
            state: State = before
            evaluated = last_evaluations(self.instance, self.catalogue)
            for run in [*evaluated, *broken_runs(self.instance, self.catalogue, evaluated)]:
                state, opened = observe(state, run, self.catalogue.lineage, self._policy(book, now), now)
                transitions += opened
                book.record_outcomes(run)
            if newest:
                self._tell(book, before, state, transitions, now, is_first=True)

    def _news(self, book: Book) -> list[RunEnd] | None:
        """The ended runs that were not recorded yet; None where Dagster's log is not the one known so far."""
        read_to, started_after = (int(book.progress(name) or 0) for name in (READ_TO, STARTED_AFTER))
        ends = [end for end in run_ends(self.instance, read_to) if end.storage_id > started_after]
        recorded = book.recorded(end.storage_id for end in ends)
        newest = ends[-1] if ends else newest_run_end(self.instance)
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
        run = read_run(self.instance, end, self.catalogue)
        self.remember(end.storage_id, run, now)
        return run is not None

    def remember(self, end_id: int, run: RunObservation | None, now: datetime) -> None:
        """What a run told, what follows and the messages about it, in one transaction.

        `end_id` is the place of its end in Dagster's log; None is a run that is not ours, or not there any more.
        """
        with self.ledger.transaction() as book:
            book.set_progress(READ_TO, str(max(end_id, int(book.progress(READ_TO) or 0))))
            if run is None:
                return
            book.record_run(end_id, run, is_sound=failed_run(run) is None)
            book.record_outcomes(run)
            before = book.state(found.subject for found in run.findings)
            after, transitions = observe(before, run, self.catalogue.lineage, self._policy(book, now), now)
            left = [incident for incident in book.left_old() if rebuilt(incident, run) != incident]
            self._tell(
                book,
                before,
                after,
                transitions,
                now,
                run_ended_at=run.ended_at,
                rebuilt=[rebuilt(incident, run) for incident in left],
            )

    def _tell(
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
            for subject, track in after.items()
            if track.open_incident and track.incident and _has_changed(before.get(subject), track.incident)
        ]
        book.save(before, after)
        for incident in rebuilt:
            book.save_incident(incident)
        planner = Planner(self.routing, self.reader, self.catalogue.lineage, book, lambda: str(uuid4()))
        plan = planner.plan(transitions, after, [*touched, *rebuilt], run_ended_at=run_ended_at, is_first=is_first)
        for message in plan.messages:
            book.enqueue(message, now)
        for root, form, incidents in plan.threads:
            book.add_thread(root, form, incidents)

    def _policy(self, book: Book, now: datetime) -> Policy:
        return self.routing.policy(book.silences(now))

    @contextmanager
    def _alone(self, wait_s: float) -> Iterator[None]:
        lock = FileLock(self.lock)
        try:
            lock.acquire(timeout=wait_s)
        except Timeout:
            raise BusyError(f"Another process is at work on the alerts ({self.lock}).") from None
        except OSError as error:
            raise LedgerError(
                f"The alerts' lock {self.lock} cannot be used ({error.strerror}). Let this user write it and its "
                "folder, or free some space there."
            ) from None
        try:
            self.look_at_source()
            yield
        finally:
            lock.release()


def _has_changed(before: Track | None, incident: Incident) -> bool:
    """Whether an incident's first message would read otherwise now; which run saw it last does not count."""
    known = before.incident if before else None
    return known is not None and replace(known, last_run=incident.last_run) != incident
