"""A run of the daily job that takes far longer than usual: reported once while it goes on, and again when it has ended.

It is no incident: nothing has failed yet, and what a run found is reported of every run that ended.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median

import dagster as dg
from pydantic import TypeAdapter

from greenery_assets.alerts import blocks, messages
from greenery_assets.alerts.blocks import duration_in_words
from greenery_assets.alerts.incidents import Subject
from greenery_assets.alerts.ledger import Book, Outgoing
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.project import Catalogue
from greenery_assets.alerts.routing import Routing
from greenery_assets.alerts.runs import is_ours, job_of
from greenery_assets.alerts.wording import Reader

# So many times its usual time is slow; but a run that takes a minute may take a few more.
TIMES = 3
LEAST = timedelta(minutes=10)
# How many runs the usual time is the median of, and how many are looked through for them.
FEWEST_RUNS, MOST_RUNS = 3, 10
LOOKED_THROUGH = 50
# Under this name the ledger remembers what was reported and goes on.
REPORTED = "slow_runs"
WHAT_TO_DO = (
    "Open the run and look at its last lines. It may wait for another run, or for a database. If nothing moves, "
    "terminate it there, and start it again."
)


@dataclass(frozen=True)
class SlowRun:
    """A run that takes long; `root` is the delivery id of the message about it."""

    run_id: str
    started_at: datetime
    usual: timedelta
    root: str = ""


SLOW_RUNS = TypeAdapter(list[SlowRun])


def keep_reported(
    book: Book,
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    routing: Routing,
    reader: Reader,
    *,
    now: datetime,
) -> None:
    """Queue a message about each run that is slow by now, unless silenced, and about the end of those that were."""
    channel, daily_run = routing.default_channel, Subject("", catalogue.project.daily_job)
    is_silenced = routing.policy(book.silences(now)).silence(daily_run, now) is not None
    known = SLOW_RUNS.validate_json(book.progress(REPORTED) or "[]")
    going_on = []
    for slow in known:
        record = instance.get_run_record_by_id(slow.run_id)
        if record and not record.dagster_run.is_finished:
            going_on.append(slow)
            continue
        # One that was deleted has ended by now.
        ended_at = datetime.fromtimestamp(record.end_time, UTC) if record and record.end_time else now
        lasted = duration_in_words(ended_at - slow.started_at)
        (reply,) = messages.paged([(blocks.emoji(blocks.RESOLVED), blocks.text(f" It has ended after {lasted}."))])
        book.enqueue(Outgoing(channel, reply, root=slow.root), now)
        book.enqueue(Outgoing(channel, _message(slow, lasted, reader, True), edits=slow.root), now)
    news = () if is_silenced else _slow_runs(instance, catalogue, {each.run_id for each in known}, now)
    for slow in news:
        lasts = duration_in_words(now - slow.started_at)
        root = book.enqueue(Outgoing(channel, _message(slow, lasts, reader, False)), now)
        going_on.append(replace(slow, root=root))
    if going_on != known:
        book.set_progress(REPORTED, SLOW_RUNS.dump_json(going_on).decode())


def _slow_runs(
    instance: dg.DagsterInstance, catalogue: Catalogue, known: Collection[str], now: datetime
) -> Iterator[SlowRun]:
    """The runs that go on for far longer than others of their kind, but for those that are known."""
    for record in _records(instance, catalogue, dg.DagsterRunStatus.STARTED):
        started_at = datetime.fromtimestamp(record.start_time or now.timestamp(), UTC)
        if record.dagster_run.run_id in known or now - started_at < LEAST:
            continue
        usual = _usual(instance, catalogue, record.dagster_run)
        if usual and now - started_at > TIMES * usual:
            yield SlowRun(record.dagster_run.run_id, started_at, usual)


def _usual(instance: dg.DagsterInstance, catalogue: Catalogue, run: dg.DagsterRun) -> timedelta | None:
    """The median time of the last good runs of the same kind; None where there are too few."""
    kind = _kind(run, catalogue)
    times = [
        record.end_time - record.start_time
        for record in _records(instance, catalogue, dg.DagsterRunStatus.SUCCESS)
        # A run notes its kind when it knows it; until then it is like any.
        if record.start_time and record.end_time and (not any(kind) or _kind(record.dagster_run, catalogue) == kind)
    ][:MOST_RUNS]
    return timedelta(seconds=median(times)) if len(times) >= FEWEST_RUNS else None


def _records(instance: dg.DagsterInstance, catalogue: Catalogue, status: dg.DagsterRunStatus) -> Iterator[dg.RunRecord]:
    """Our runs of the whole daily job with a status, newest first."""
    job = catalogue.project.daily_job
    for record in instance.get_run_records(dg.RunsFilter(job_name=job, statuses=[status]), limit=LOOKED_THROUGH):
        run = record.dagster_run
        if job_of(run, catalogue) == job and is_ours(instance, run, catalogue):
            yield record


def _kind(run: dg.DagsterRun, catalogue: Catalogue) -> list[str | None]:
    return [run.tags.get(tag) for tag in catalogue.project.kind_tags]


def _message(slow: SlowRun, lasted: str, reader: Reader, has_ended: bool) -> Message:
    usual = duration_in_words(slow.usual)
    title = f":{blocks.WARNING}: Warning: the daily run goes on for {lasted}; it usually takes {usual}"
    if has_ended:
        title = f":{blocks.RESOLVED}: Resolved: the daily run has ended after {lasted}; it usually takes {usual}"
    since = f"*Since:* {reader.moment(slow.started_at)}"
    todo = [] if has_ended else ["*Figures:* those of this run are not there yet", f"*What to do:* {WHAT_TO_DO}"]
    link = messages.run_link(reader, slow.run_id, "Open the run")
    return messages.message(title, blocks.paragraph([*todo, since]), [link], reader=reader)
