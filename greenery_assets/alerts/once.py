"""The alerts around one run of `make run`, which has no daemon: what cannot be told is said, and stops no job."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path

import dagster as dg

from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.service import Alerts, BusyError
from greenery_assets.alerts.setup import alerts_of, client_of
from greenery_assets.settings import Settings, shown

PATIENCE_S = 60
LOG_NAME = "alerts.log"
LOG_BYTES = 1_000_000


@dataclass
class Once:
    """A beginning before the run and one pass after it.

    `problem` says why nobody could be notified, and what to do, where the ledger cannot be used; it is empty while
    messages only wait for Slack. `log` is the file that messages and troubles are logged to, `log_problem` why there
    is none.
    """

    settings: Settings
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

    def tell(self) -> str:
        """Notify of the run; returns where the messages are, and what went wrong."""
        try:
            report = self.alerts.run_pass(wait_s=PATIENCE_S) if self.alerts else None
        except BusyError as error:
            return f"not sent yet. {error} It sends them, or the next run does."
        except LedgerError as error:
            report, self.problem = None, str(error)
        if report is None or self.alerts is None:
            return f"NOBODY WAS NOTIFIED. {self.problem}"
        if self.settings.slack_token is None:
            files = [self.settings.preview_path, *([self.log] if self.log else [])]
            said = f"{' and '.join(map(shown, files))}, as GREENERY_SLACK_TOKEN is not set"
        else:
            said = (
                f"{report.sent} messages sent to Slack ({self.alerts.routing.default_channel}), {report.waiting} wait"
            )
        return ". ".join([said, *report.problems, *([self.log_problem] if self.log_problem else [])])


@contextmanager
def alerting(settings: Settings, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> Iterator[Once]:
    """The alerts for one run. Raises RoutingError."""
    log, file = logging.getLogger("greenery.alerts"), settings.dagster_home / LOG_NAME
    # What goes wrong is part of the result that is shown; the terminal need not say it twice.
    log.addHandler(logging.NullHandler())
    with ExitStack() as stack:
        once = Once(settings)
        try:
            stack.enter_context(_logged_to(file, log))
            once.log = file
        except OSError as error:
            once.log_problem = f"{shown(file)} cannot be written ({error.strerror})"
        try:
            once.alerts = stack.enter_context(alerts_of(settings, instance, repository, client_of(settings), log))
        except LedgerError as error:
            once.problem = str(error)
        yield once


@contextmanager
def _logged_to(file: Path, log: logging.Logger) -> Iterator[None]:
    """Log to a file, which is begun anew when it gets long. Raises OSError."""
    handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()
