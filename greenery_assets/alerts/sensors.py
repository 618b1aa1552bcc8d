"""What starts a pass of the alerts: the daemon's sensor, or one run in a terminal. What a pass does is dispatch's."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

import dagster as dg
from dagster_slack import SlackResource
from slack_sdk import WebClient

from greenery_assets.alerts.dispatch import Alerts, BusyError
from greenery_assets.alerts.ledger import Ledger
from greenery_assets.alerts.ping import ping
from greenery_assets.alerts.preview import LogTransport
from greenery_assets.alerts.project import Catalogue, Project
from greenery_assets.alerts.routing import Routing, load_routing
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.slack import SlackTransport, slack_client
from greenery_assets.alerts.wording import Reader

PATIENCE_S = 60
LOG_NAME = "alerts.log"
LOG_BYTES = 1_000_000
LOG = logging.getLogger(__name__)


def routing_of(project: Project) -> Routing:
    """The project's routing file. Raises RoutingError."""
    return load_routing(project.routing_file, project.slack_channel, project.groups)


def client_of(project: Project) -> WebClient | None:
    """A client for the project's workspace; None without a token."""
    return slack_client(project.slack_token, project.slack_api_url) if project.slack_token else None


@contextmanager
def alerts_of(
    project: Project,
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    client: WebClient | None,
    log: logging.Logger = LOG,
    *,
    location: str = "",
) -> Iterator[Alerts]:
    """The alerts, with their ledger open; `location` names the code location. Raises LedgerError and RoutingError."""
    routing, catalogue = routing_of(project), Catalogue.of(project, repository, location)
    with closing(Ledger.open(project)) as ledger:
        yield Alerts(
            instance=instance,
            catalogue=catalogue,
            ledger=ledger,
            routing=routing,
            reader=reader_of(project, routing, catalogue.figures),
            transport=SlackTransport(client, project, log) if client else LogTransport(log),
            log=log,
        )


def reader_of(project: Project, routing: Routing, figures: Mapping[str, str] | None = None) -> Reader:
    return Reader(
        project.timezone, project.ui_url, routing.mentions, figures=figures or {}, daily_job=project.daily_job
    )


class PatientSlackResource(SlackResource):
    """dagster-slack's resource, for any address, and without retries of its own, which can post twice."""

    base_url: str

    def get_client(self) -> WebClient:
        """A client that gives up soon: the next tick tries again."""
        return slack_client(self.token, self.base_url)


def tick(context: dg.SensorEvaluationContext, project: Project, slack: PatientSlackResource) -> dg.SkipReason:
    """All that the sensor of a project does at a tick.

    The project's watcher is pinged where a pass was good or failed, and hears nothing while messages cannot be sent:
    that may be over before it is worth an alarm. Raises LedgerError when the ledger cannot be used, and RoutingError;
    the next tick tries again.
    """
    if context.repository_def is None:
        return dg.SkipReason("There are no definitions to read checks from.")
    client = slack.get_client() if slack.token else None
    location = context.code_location_origin.location_name if context.code_location_origin else ""
    log = context.log
    try:
        with alerts_of(project, context.instance, context.repository_def, client, log, location=location) as alerts:
            report = alerts.run_pass()
    except BusyError as busy:
        return dg.SkipReason(f"{busy} It does this tick's work.")
    except Exception:
        ping(project, log, is_good=False)
        raise
    did = f"{report.runs} ended runs read, {report.sent} messages sent, {report.waiting} wait."
    problems = report.problems or [ping(project, log, is_good=True)]
    return dg.SkipReason(" ".join(filter(None, [did, *problems])))


@dataclass
class Once:
    """A beginning before one run and one pass after it, where there is no daemon.

    `problem` says why nobody could be notified, and what to do, where the ledger cannot be used; it is empty while
    messages only wait for Slack. `log` is the file that messages and troubles are logged to, `log_problem` why there
    is none. `shown` is how a path is shown.
    """

    project: Project
    shown: Callable[[Path], str] = str
    alerts: Alerts | None = None
    problem: str = ""
    log: Path | None = None
    log_problem: str = ""

    def begin(self) -> None:
        """Begin, so that the run to come is news and not history."""
        try:
            if self.alerts:
                self.alerts.begin()
        except BusyError:
            # Who is at work has begun.
            pass
        except LedgerError as error:
            self.alerts, self.problem = None, str(error)

    def notify(self) -> str:
        """Notify of the run; returns where the messages are, and what went wrong."""
        try:
            report = self.alerts.run_pass(wait_s=PATIENCE_S) if self.alerts else None
        except BusyError as error:
            return f"not sent yet. {error} It sends them, or the next run does."
        except LedgerError as error:
            report, self.problem = None, str(error)
        if report is None or self.alerts is None:
            return f"NOBODY WAS NOTIFIED. {self.problem}"
        if self.project.slack_token is None:
            files = [self.project.preview, *([self.log] if self.log else [])]
            where = f"{' and '.join(map(self.shown, files))}, as {self.project.setting('SLACK_TOKEN')} is not set"
        else:
            channel = self.alerts.routing.default_channel
            where = f"{report.sent} messages sent to Slack ({channel}), {report.waiting} wait"
        return ". ".join([where, *report.problems, *([self.log_problem] if self.log_problem else [])])


@contextmanager
def alerting(
    project: Project,
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    shown: Callable[[Path], str] = str,
) -> Iterator[Once]:
    """The alerts around one run: what keeps people from being notified is reported, and stops no job.

    Raises RoutingError.
    """
    file = project.home / LOG_NAME
    # What goes wrong is part of the result that is shown; the terminal need not show it twice.
    LOG.addHandler(logging.NullHandler())
    with ExitStack() as stack:
        once = Once(project, shown)
        try:
            stack.enter_context(_logged_to(file))
            once.log = file
        except OSError as error:
            once.log_problem = f"{shown(file)} cannot be written ({error.strerror})"
        try:
            once.alerts = stack.enter_context(alerts_of(project, instance, repository, client_of(project)))
        except LedgerError as error:
            once.problem = str(error)
        yield once


@contextmanager
def _logged_to(file: Path) -> Iterator[None]:
    """Log to a file, which is started again when it gets long. Raises OSError."""
    handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.setLevel(level)
        LOG.removeHandler(handler)
        handler.close()
