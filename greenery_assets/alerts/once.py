"""The alerts around one run of `make run`, which has no daemon: what cannot be told is said, and stops no job."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import dagster as dg

from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.service import Alerts, BusyError
from greenery_assets.alerts.setup import alerts_of, client_of
from greenery_assets.settings import Settings, shown

PATIENCE_S = 60


@dataclass
class Once:
    """A beginning before the run and one pass after it; `problem` says why where there can be none."""

    settings: Settings
    alerts: Alerts | None = None
    problem: str = ""

    def begin(self) -> None:
        """Begin, so that the run to come is news and not history."""
        try:
            if self.alerts:
                self.alerts.begin()
        except (LedgerError, BusyError) as error:
            self.alerts, self.problem = None, str(error)

    def tell(self) -> str:
        """Tell of the run; returns where, and what went wrong."""
        if self.alerts is None:
            return f"nothing was told. {self.problem}"
        try:
            report = self.alerts.run_pass(wait_s=PATIENCE_S)
        except (LedgerError, BusyError) as error:
            return f"nothing was told. {error}"
        if self.settings.slack_token is None:
            said = f"{shown(self.settings.preview_path)}, as GREENERY_SLACK_TOKEN is not set"
        else:
            said = (
                f"{report.sent} messages sent to Slack ({self.alerts.routing.default_channel}), {report.waiting} wait"
            )
        return ". ".join([said, *report.problems])


@contextmanager
def alerting(settings: Settings, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition) -> Iterator[Once]:
    """The alerts for one run. Raises RoutingError."""
    log = logging.getLogger("greenery.alerts")
    # What goes wrong is part of the result that is shown; the terminal need not say it twice.
    log.addHandler(logging.NullHandler())
    with ExitStack() as stack:
        try:
            alerts = stack.enter_context(alerts_of(settings, instance, repository, client_of(settings), log))
        except LedgerError as error:
            yield Once(settings, problem=str(error))
        else:
            yield Once(settings, alerts)
