"""The alerts on the command line: to see them, and to steer them.

The command of a project is `app(obj=...)`, with a function that opens the project: its context manager gives the
Project and its repository, and ends the command in a sentence where either cannot be had. Wording and tables of the
terminal belong here; everything that counts is done by dispatch and its parts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from typing import Annotated, NoReturn

import dagster as dg
import typer
from rich.console import Console
from rich.text import Text

from greenery_assets.alerts.blocks import counted, duration_in_words
from greenery_assets.alerts.dispatch import Alerts, replayed
from greenery_assets.alerts.incidents import AD_HOC_JOB, Incident, Subject
from greenery_assets.alerts.ledger import LATELY
from greenery_assets.alerts.messages import test_message
from greenery_assets.alerts.notify import DeliveryError
from greenery_assets.alerts.sensors import LOG, alerts_of, client_of, reader_of, routing_of
from greenery_assets.alerts.silence import Silence, end_of_silence
from greenery_assets.alerts.slack import SlackTransport
from greenery_assets.alerts.wording import found, severity_word

app = typer.Typer(
    help="See and steer the alerts about failed checks.", no_args_is_help=True, pretty_exceptions_enable=False
)
console = Console(highlight=False)


def _until(text: str) -> datetime:
    try:
        return end_of_silence(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def status(context: typer.Context) -> None:
    """Show open incidents, silences, and messages that wait."""
    now = datetime.now(UTC)
    with _alerts(context) as alerts, alerts.ledger.transaction() as book:
        project = alerts.catalogue.project
        incidents = book.open_incidents()
        console.print(f"{len(incidents)} open:" if incidents else "No incident is open.")
        for number, incident in incidents.items():
            console.print(_incident_lines(number, incident, now, project.daily_job), soft_wrap=True)
        for silence in alerts.routing.policy(book.silences(now)).silences:
            if silence.until > now:
                until = f"{silence.until.astimezone(project.timezone):%Y-%m-%d %H:%M %Z}"
                _say(f"Silenced until {until}: {silence.asset} {silence.check} ({silence.reason})")
        waiting, refused = book.waiting(), book.refused(now - LATELY)
        where = "sent to Slack" if project.slack_token else f"written to {project.preview}"
        _say(f"{len(waiting)} messages wait, {len(refused)} of the last day were refused. Messages are {where}.")
        # Of each reason the oldest.
        for row in {row.last_error: row for row in reversed([*waiting, *refused]) if row.last_error}.values():
            _say(f"  {row.channel}, since {row.created_at:%Y-%m-%d %H:%M} UTC: {row.last_error}")
        if latencies := book.latencies():
            middle = median(latency.total_seconds() for latency in latencies)
            _say(f"From a run's end to its message: {middle:.1f} s, the median of the last {len(latencies)}.")


@app.command()
def replay(
    context: typer.Context,
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="A day, from its start in UTC.")],
) -> None:
    """Show what would have been sent of the runs since a day. Sends nothing."""
    number = 0
    with _alerts(context) as alerts:
        for at, message in replayed(alerts, since.replace(tzinfo=UTC)):
            number += 1
            place = f"{message.channel}, in a thread" if message.root else message.channel
            console.print(Text.assemble((f"{at:%Y-%m-%d %H:%M} UTC {place}\n", "bold"), f"{message.text}\n"))
    console.print(f"{number} messages would have been sent of the runs since {since:%Y-%m-%d}. None was.")


@app.command()
def test(context: typer.Context) -> None:
    """Post a test message to each channel in use, and say in plain words what is wrong, if anything."""
    with context.obj() as (project, _):
        client = client_of(project)
        if client is None:
            _stop(
                f"{project.setting('SLACK_TOKEN')} is not set: messages go to the log and to {project.preview}. "
                "The documentation of the alerts shows how to get a token."
            )
        routing = routing_of(project)
    reader, slack = reader_of(project, routing), SlackTransport(client, project, LOG)
    try:
        workspace, bot = slack.identity()
    except DeliveryError as refusal:
        _stop(str(refusal))
    _say(f"The token is good: {bot} in the workspace {workspace}.")
    refusals = 0
    for channel in sorted(routing.channels):
        try:
            slack.try_out(channel, test_message(reader))
            _say(f"{channel}: a test message was posted and found again.")
        except DeliveryError as refusal:
            refusals += 1
            console.print(Text(f"{channel}: {refusal}", style="red"), soft_wrap=True)
    try:
        slack.try_pictures()
        _say("The daily message may carry its picture.")
    except DeliveryError as refusal:
        refusals += 1
        console.print(Text(f"The daily message goes without its picture: {refusal}", style="red"), soft_wrap=True)
    if refusals:
        raise typer.Exit(1)


@app.command()
def ack(
    context: typer.Context,
    number: Annotated[int, typer.Argument(help="The incident's number, as status shows it.")],
    by: Annotated[str, typer.Option(help="Who is working on it, as the message says.")],
) -> None:
    """Say that somebody is on an incident: no reminders until it gets more severe or is resolved."""
    if not by.strip():
        _stop("--by must name who is working on it.")
    with _alerts(context) as alerts:
        incident = alerts.acknowledge(number, by)
    if incident is None:
        _stop(f"No incident with the number {number} is open and was sent; status lists them.")
    _say(f"{incident.subject.id}: acknowledged by {incident.acknowledged_by}. Its thread says so with the next pass.")


@app.command()
def silence(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="For whoever wonders later.")],
    until: Annotated[datetime, typer.Option(parser=_until, metavar="'DAY [HH:MM]'", help="In UTC; of a day, its end.")],
    asset: Annotated[str, typer.Option(help="As messages name it; * stands for any letters.")] = "*",
    check: Annotated[str, typer.Option(help="As messages name it; * stands for any letters.")] = "*",
) -> None:
    """Notify nobody of some checks for a while. What still fails after that is sent then.

    Another silence of the same asset and check takes its place: so one can be made shorter, or longer.
    """
    if (asset, check) == ("*", "*") or not reason.strip():
        _stop("Name an asset or a check, or both, and a reason.")
    now, silence = datetime.now(UTC), Silence(asset, check, reason, until)
    if until <= now:
        _stop(f"--until {until:%Y-%m-%d %H:%M} UTC is over; give a time to come.")
    with _alerts(context) as alerts:
        jobs = {Subject("", job) for job in alerts.catalogue.jobs - {AD_HOC_JOB}}
        covered = [each for each in sorted(alerts.catalogue.subjects | jobs) if silence.covers(each, now)]
        if not covered:
            _stop(
                f"No check matches asset {asset} and check {check}. Write both as messages name them, such as "
                "staging/orders; * stands for any letters."
            )
        alerts.silence(silence)
    _say(f"Silenced until {until:%Y-%m-%d %H:%M} UTC: asset {asset}, check {check}. {_in_words(covered)}")


def _in_words(covered: list[Subject]) -> str:
    jobs = [subject.name for subject in covered if subject.is_job]
    checks = len(covered) - len(jobs)
    parts = [counted(checks, "check")] if checks else []
    parts += [f"the runs of {', '.join(jobs)}"] if jobs else []
    return f"It covers {' and '.join(parts)}."


def _incident_lines(number: int, incident: Incident, now: datetime, daily_job: str) -> Text:
    finding, subject = incident.finding, incident.subject
    age = f"open for {duration_in_words(now - incident.opened_at)}, notified: {_notified(incident)}"
    return Text.assemble(
        (f"{number:>4}  {severity_word(finding)}: ", "red" if finding.is_error else "yellow"),
        f"{found(finding, daily_job)}\n      {subject.id if subject.asset else f'runs of {subject.name}'}\n      {age}",
    )


def _notified(incident: Incident) -> str:
    if incident.inhibited_by:
        return f"with {incident.inhibited_by.id}"
    if incident.announced is None:
        return "not yet, or silenced"
    return f"yes; {incident.acknowledged_by} is working on it" if incident.acknowledged_by else "yes"


@contextmanager
def _alerts(context: typer.Context) -> Iterator[Alerts]:
    with (
        context.obj() as (project, repository),
        dg.DagsterInstance.get() as instance,
        alerts_of(project, instance, repository, client_of(project)) as alerts,
    ):
        yield alerts


def _stop(reason: str) -> NoReturn:
    Console(stderr=True, highlight=False).print(Text(reason, style="red"), soft_wrap=True)
    raise typer.Exit(1)


def _say(words: str) -> None:
    console.print(Text(words), soft_wrap=True)
