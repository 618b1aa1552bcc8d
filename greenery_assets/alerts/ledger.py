"""What was seen, what is open, what was sent: the alert ledger's reads and writes.

Every change of a pass is one transaction: what was observed, what follows from it, and the messages about it become
true together or not at all. Decides nothing; its tables are the business of schema.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from pydantic import TypeAdapter

from greenery_assets.alerts.incidents import (
    RETRIED,
    Finding,
    Incident,
    Outcome,
    RunObservation,
    Severity,
    State,
    Subject,
    Track,
)
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.project import Project
from greenery_assets.alerts.schema import (
    SUBJECT,
    digests,
    incidents,
    observations,
    open_engine,
    outbox,
    progress,
    runs,
    silences,
    threads,
    tracks,
)
from greenery_assets.alerts.silence import Silence


class Seen(NamedTuple):
    """One check as one ended run found it; `end_id` is the place of the run's end in Dagster's log."""

    end_id: int
    run_id: str
    ended_at: datetime
    subject: Subject
    outcome: Outcome
    severity: Severity
    failing_rows: int


@dataclass(frozen=True)
class DailyRun:
    """A run of the daily job: whether it was through when it ended, whatever its checks found.

    One that is not `is_complete` reports success, but left planned tables or checks out.
    """

    started_at: datetime
    ended_at: datetime
    reached_end: bool
    is_complete: bool = True


@dataclass(frozen=True)
class Thread:
    """A thread in Slack: its first message's delivery id, its channel, and how that message is worded."""

    root: str
    channel: str
    form: str


@dataclass(frozen=True)
class Outgoing:
    """A message to be sent: a new one, in the thread of `root` if given, or the new content of the one `edits`."""

    channel: str
    message: Message
    root: str | None = None
    edits: str | None = None
    is_broadcast: bool = False
    about_run_ended_at: datetime | None = None
    delivery_id: str = field(default_factory=lambda: str(uuid4()))


# Of the last evaluations of a check, those of earlier runs are not looked for.
RUNS_LOOKED_THROUGH = 500
INCIDENT = TypeAdapter(Incident)
# The newest incident of each subject.
NEWEST = sa.select(sa.func.max(incidents.c.id)).group_by(*(incidents.c[name] for name in SUBJECT))
READ_TO = "dagster_log_read_to"
STARTED_AFTER = "dagster_log_started_after"
FIRST_PASS = "first_pass_at"
# For so long a message that Slack refused is reported.
LATELY = timedelta(days=1)
# The status of a run that failed for another reason than its checks, and of one that succeeded without all it planned.
BROKEN, INCOMPLETE = "BROKEN", "INCOMPLETE"


class Ledger:
    """The alert ledger in one database. `transaction` gives everything else."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, project: Project) -> "Ledger":
        """Open a project's ledger, making or upgrading its tables. Raises LedgerError."""
        return cls(open_engine(project))

    @contextmanager
    def transaction(self) -> Iterator["Book"]:
        """A transaction: all of it is kept, or nothing when it raises. Raises LedgerError where the database fails."""
        with self._engine.begin() as connection:
            yield Book(connection)

    def close(self) -> None:
        self._engine.dispose()


class Book:
    """The ledger within one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._do = connection.execute

    # Progress

    def progress(self, name: str) -> str | None:
        return self._do(sa.select(progress.c.value).where(progress.c.name == name)).scalar()

    def set_progress(self, name: str, value: str) -> None:
        self._do(sa.delete(progress).where(progress.c.name == name))
        self._do(sa.insert(progress).values(name=name, value=value))

    def recorded(self, end_ids: Iterable[int]) -> dict[int, str]:
        """Of these places in Dagster's log, those of recorded runs, with the run."""
        rows = self._do(sa.select(runs.c.end_id, runs.c.run_id).where(runs.c.end_id.in_(set(end_ids))))
        return {row.end_id: row.run_id for row in rows}

    def newest_runs(self, limit: int = 20) -> list[str]:
        return list(self._do(sa.select(runs.c.run_id).order_by(runs.c.end_id.desc()).limit(limit)).scalars())

    def forget_runs(self) -> None:
        """Forget which runs were seen: Dagster's log was started again, and its places mean other runs."""
        self._do(sa.delete(runs))
        self._do(sa.delete(observations))
        for name in (READ_TO, STARTED_AFTER):
            self.set_progress(name, "0")

    def forget(self, before: datetime, left: Collection[str]) -> None:
        """Remove what is older than a time: runs but those that are `left` in Dagster, closed incidents, sent messages.

        What may still be spoken of stays: the newest incident of each subject, those that are open or left marts stale,
        the others in their threads, and how these threads begin. Nothing that waits is removed.
        """
        old = sa.select(runs.c.end_id).where(runs.c.ended_at < before, runs.c.run_id.not_in(list(left)))
        for table in (observations, runs):
            self._do(sa.delete(table).where(table.c.end_id.in_(old)))
        closed = sa.and_(~incidents.c.is_open, ~incidents.c.has_old_marts, incidents.c.id.not_in(NEWEST))
        done = {
            row.id
            for row in self._do(sa.select(incidents).where(closed))
            if (at := _incident(row).resolved_at) and at < before
        }
        spoken_of: dict[str, set[int]] = {}
        for row in self._do(sa.select(threads)):
            spoken_of.setdefault(row.root, set()).add(row.incident_id)
        kept = set().union(*(members for members in spoken_of.values() if members - done))
        for number in done - kept:
            self._do(sa.delete(threads).where(threads.c.incident_id == number))
            self._do(sa.delete(incidents).where(incidents.c.id == number))
        roots = sa.select(threads.c.root)
        # How a message reads now is in its newest edit.
        edits = sa.select(sa.func.max(outbox.c.id)).where(outbox.c.edits.in_(roots)).group_by(outbox.c.edits)
        is_done = sa.and_(outbox.c.created_at < before, outbox.c.state.not_in(["pending", "sending"]))
        self._do(sa.delete(outbox).where(is_done, outbox.c.delivery_id.not_in(roots), outbox.c.id.not_in(edits)))
        self._do(sa.delete(digests).where(digests.c.day < before.date().isoformat()))
        self._do(sa.delete(silences).where(silences.c.until < before))

    def record_run(self, end_id: int, run: RunObservation, *, is_sound: bool) -> None:
        """Keep what a run found, once. `is_sound` is one that did all it planned, or was stopped by its checks."""
        # A place in Dagster's log may be given again after its run was deleted.
        for table in (runs, observations):
            self._do(sa.delete(table).where(table.c.end_id == end_id))
        broken = {"FAILURE": BROKEN, "SUCCESS": INCOMPLETE}
        status = run.status if is_sound else broken.get(run.status, run.status)
        known = {"run_id": run.run_id, "job": run.job, "started_at": run.started_at, "ended_at": run.ended_at}
        self._do(sa.insert(runs).values(end_id=end_id, status=status, **known))
        rows = [
            {"end_id": end_id, **_key(found.subject), **_found(found), "failing_rows": found.failing_rows}
            for found in run.findings
        ]
        if rows:
            self._do(sa.insert(observations), rows)

    def runs_of(self, job: str, since: datetime, until: datetime) -> list[DailyRun]:
        """The runs of a job that ended between two times, oldest first; attempts that were repeated do not count."""
        ended_then = runs.c.ended_at.between(since, until)
        wanted = sa.and_(runs.c.job == job, ended_then, runs.c.status != RETRIED)
        rows = self._do(sa.select(runs).where(wanted).order_by(runs.c.end_id))
        ended = {"SUCCESS", "FAILURE", INCOMPLETE}
        return [
            DailyRun(row.started_at, row.ended_at, row.status in ended, is_complete=row.status != INCOMPLETE)
            for row in rows
        ]

    # Incidents

    def state(self) -> State:
        """What is remembered of every subject, with its newest incident."""
        rows = self._do(sa.select(incidents).where(incidents.c.id.in_(NEWEST)))
        found = {_subject(row): _incident(row) for row in rows}
        judged = self._do(sa.select(tracks).where(tracks.c.evaluations != ""))
        evaluations = {_subject(row): row.evaluations for row in judged}
        return {
            subject: Track(evaluations.get(subject, ""), found.get(subject))
            for subject in sorted(found.keys() | evaluations.keys())
        }

    def save(self, before: State, after: State) -> None:
        """Keep what changed of the tracks and of their newest incidents."""
        for subject, track in after.items():
            earlier = before.get(subject, Track())
            if track.evaluations != earlier.evaluations:
                self._upsert_track(subject, evaluations=track.evaluations)
            if track.incident is None or track.incident == earlier.incident:
                continue
            if earlier.incident and earlier.incident.episode == track.incident.episode:
                self.save_incident(track.incident)
            else:
                # A row of that episode is refused by the database: nothing that was sent is ever overwritten.
                key = {**_key(subject), "episode": track.incident.episode}
                self._do(sa.insert(incidents).values({**key, **_values(track.incident)}))

    def save_incident(self, incident: Incident) -> None:
        """Keep an incident that was saved before as it is by now. Raises LookupError where it was not."""
        if not self._do(sa.update(incidents).where(_is_episode(incident)).values(_values(incident))).rowcount:
            raise LookupError(f"Episode {incident.episode} of {incident.subject.id} was never saved.")

    def record_outcomes(self, run: RunObservation) -> None:
        """Keep how each check of a run was found, for the counts by mart."""
        for found in run.findings:
            self._upsert_track(found.subject, **_found(found))

    def _upsert_track(self, subject: Subject, **values: str) -> None:
        if not self._do(sa.update(tracks).where(_is(tracks, subject)).values(values)).rowcount:
            self._do(sa.insert(tracks).values({**_key(subject), **values}))

    def check_states(self) -> list[Finding]:
        """How every check was found by the last run that planned it: its outcome and severity."""
        rows = self._do(sa.select(tracks).where(tracks.c.outcome != "").order_by(tracks.c.asset, tracks.c.name))
        return [Finding(_subject(row), *_outcome(row), "") for row in rows]

    def last_seen(self, limit: int) -> list[Seen]:
        """The findings of every check by the last `limit` runs, oldest first."""
        key = [observations.c[name] for name in SUBJECT]
        place = sa.func.row_number().over(partition_by=key, order_by=observations.c.end_id.desc()).label("place")
        oldest = sa.select(runs.c.end_id).order_by(runs.c.end_id.desc()).offset(RUNS_LOOKED_THROUGH).limit(1)
        is_recent = observations.c.end_id > sa.func.coalesce(oldest.scalar_subquery(), -1)
        newest = sa.select(observations, place).where(is_recent).subquery()
        joined = sa.select(newest, runs.c.run_id, runs.c.ended_at).join(runs, runs.c.end_id == newest.c.end_id)
        rows = self._do(joined.where(newest.c.place <= limit).order_by(newest.c.end_id))
        return [
            Seen(row.end_id, row.run_id, row.ended_at, _subject(row), *_outcome(row), row.failing_rows) for row in rows
        ]

    def open_incidents(self) -> dict[int, Incident]:
        """Every open incident by its number, oldest first."""
        rows = self._do(sa.select(incidents).where(incidents.c.is_open).order_by(incidents.c.id))
        return {row.id: _incident(row) for row in rows}

    def left_stale(self) -> list[Incident]:
        """Every resolved incident that left marts with the data of before, oldest first."""
        rows = self._do(sa.select(incidents).where(incidents.c.has_old_marts).order_by(incidents.c.id))
        return [_incident(row) for row in rows]

    # Threads

    def threads_of(self, incident: Incident) -> list[Thread]:
        """The threads that speak of an incident, one a channel."""
        roots = self._do(
            sa.select(threads.c.root, threads.c.form, outbox.c.channel)
            .join(incidents, incidents.c.id == threads.c.incident_id)
            .join(outbox, outbox.c.delivery_id == threads.c.root)
            .where(_is_episode(incident))
            .order_by(outbox.c.id)
        ).all()
        return [Thread(row.root, row.channel, row.form) for row in roots]

    def members(self, thread: Thread) -> list[Incident]:
        """The incidents that a thread speaks of, as they were saved last."""
        rows = self._do(
            sa.select(incidents)
            .join(threads, threads.c.incident_id == incidents.c.id)
            .where(threads.c.root == thread.root)
            .order_by(incidents.c.id)
        )
        return [_incident(row) for row in rows]

    def add_thread(self, root: str, form: str, members: Iterable[Incident]) -> None:
        """Remember which thread speaks of these incidents, which are saved already."""
        for member in members:
            number: int = self._do(sa.select(incidents.c.id).where(_is_episode(member))).scalar_one()
            self._do(sa.insert(threads).values(root=root, incident_id=number, form=form))

    # Outbox

    def enqueue(self, out: Outgoing, now: datetime) -> str:
        """Put a message into the outbox; returns its delivery id.

        A new edit replaces those of the same message that were not sent yet.
        """
        if out.edits:
            older = sa.and_(outbox.c.edits == out.edits, outbox.c.state != "sent")
            self._do(sa.update(outbox).where(older).values(state="superseded"))
        values = vars(out) | {"text": out.message.text, "created_at": now}
        del values["message"]
        self._do(sa.insert(outbox).values(blocks=json.dumps(out.message.blocks, ensure_ascii=False), **values))
        return out.delivery_id

    def waiting(self) -> list[sa.Row[Any]]:
        """The messages that are not sent yet, in the order in which they must be."""
        wanted = outbox.c.state.in_(["pending", "sending"])
        return list(self._do(sa.select(outbox).where(wanted).order_by(outbox.c.id)))

    def doubt_waiting(self) -> None:
        """Have what waits looked for before it is sent: it may have been sent after this ledger was copied."""
        wanted = sa.and_(outbox.c.state == "pending", outbox.c.edits.is_(None))
        self._do(sa.update(outbox).where(wanted).values(state="sending"))

    def refused(self, since: datetime) -> list[sa.Row[Any]]:
        """The messages made since a time that Slack will not take in any form.

        Those made LATELY are reported, by the status and by the check alike: all that can be done about one is to fix
        its cause, and whether that is done shows in those that follow.
        """
        wanted = sa.and_(outbox.c.state == "refused", outbox.c.created_at >= since)
        return list(self._do(sa.select(outbox).where(wanted).order_by(outbox.c.id)))

    def sent_since(self, since: datetime) -> int:
        """How many of the messages that were made since a time are sent."""
        wanted = sa.and_(outbox.c.state == "sent", outbox.c.created_at >= since)
        return self._do(sa.select(sa.func.count()).select_from(outbox).where(wanted)).scalar_one()

    def message(self, delivery_id: str) -> sa.Row[Any] | None:
        return self._do(sa.select(outbox).where(outbox.c.delivery_id == delivery_id)).first()

    def mark(self, delivery_id: str, **values: object) -> None:
        """Note how far the delivery of a message is."""
        self._do(sa.update(outbox).where(outbox.c.delivery_id == delivery_id).values(values))

    def sent(self, limit: int) -> list[sa.Row[Any]]:
        """The newest sent messages that were not edits, oldest first."""
        wanted = sa.and_(outbox.c.state == "sent", outbox.c.edits.is_(None))
        return list(self._do(sa.select(outbox).where(wanted).order_by(outbox.c.id.desc()).limit(limit)))[::-1]

    def newest_edits(self, delivery_ids: Iterable[str]) -> dict[str, sa.Row[Any]]:
        """The newest sent content of those of these messages that were edited, by the message's delivery id."""
        wanted = sa.and_(outbox.c.state == "sent", outbox.c.edits.in_(list(delivery_ids)))
        newest = sa.select(sa.func.max(outbox.c.id)).where(wanted).group_by(outbox.c.edits)
        return {row.edits: row for row in self._do(sa.select(outbox).where(outbox.c.id.in_(newest)))}

    def latencies(self, limit: int = 20) -> list[timedelta]:
        """Time from a run's end to its first message in a channel, for the newest ones."""
        is_measured = outbox.c.sent_at >= outbox.c.about_run_ended_at
        wanted = sa.and_(outbox.c.state == "sent", is_measured, outbox.c.root.is_(None))
        rows = self._do(sa.select(outbox).where(wanted).order_by(outbox.c.id.desc()).limit(limit))
        return [row.sent_at - row.about_run_ended_at for row in rows]

    # Digests and silences

    def digest(self, day: date) -> sa.Row[Any] | None:
        """The digest of a day: its delivery_id and its content as last queued."""
        return self._do(sa.select(digests).where(digests.c.day == day.isoformat())).first()

    def set_digest(self, day: date, delivery_id: str, content: str) -> None:
        self._do(sa.delete(digests).where(digests.c.day == day.isoformat()))
        self._do(sa.insert(digests).values(day=day.isoformat(), delivery_id=delivery_id, content=content))

    def silences(self, now: datetime) -> list[Silence]:
        """Silences set on the command line that still hold."""
        rows = self._do(sa.select(silences).where(silences.c.until > now).order_by(silences.c.id))
        return [Silence(row.asset, row.check, row.reason, row.until) for row in rows]

    def add_silence(self, silence: Silence) -> None:
        """Set a silence, in the place of one of the same patterns."""
        self._do(sa.delete(silences).where(silences.c.asset == silence.asset, silences.c.check == silence.check))
        self._do(sa.insert(silences).values(vars(silence)))


def message_of(row: sa.Row[Any]) -> Message:
    return Message(row.text, tuple(json.loads(row.blocks)))


def _key(subject: Subject) -> dict[str, str]:
    return {"asset": subject.asset, "name": subject.name, "partition": subject.partition}


def _subject(row: sa.Row[Any]) -> Subject:
    return Subject(row.asset, row.name, row.partition)


def _found(finding: Finding) -> dict[str, str]:
    return {"outcome": finding.outcome, "severity": finding.severity}


def _outcome(row: sa.Row[Any]) -> tuple[Outcome, Severity]:
    return Outcome(row.outcome), Severity(row.severity)


def _values(incident: Incident) -> dict[str, object]:
    return {
        "is_open": incident.is_open,
        "has_old_marts": bool(incident.stale_marts),
        "body": INCIDENT.dump_json(incident).decode(),
    }


def _incident(row: sa.Row[Any]) -> Incident:
    return INCIDENT.validate_json(row.body)


def _is(table: sa.Table, subject: Subject) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in _key(subject).items()))


def _is_episode(incident: Incident) -> sa.ColumnElement[bool]:
    return sa.and_(_is(incidents, incident.subject), incidents.c.episode == incident.episode)
