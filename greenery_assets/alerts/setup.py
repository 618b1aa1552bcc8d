"""The alerts of an instance, put together from the settings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from slack_sdk import WebClient

from greenery_assets.alerts.history import Catalogue
from greenery_assets.alerts.ledger import Ledger
from greenery_assets.alerts.messages import Reader
from greenery_assets.alerts.pictures import Pictures
from greenery_assets.alerts.routing import Routing, load_routing
from greenery_assets.alerts.service import Alerts
from greenery_assets.alerts.slack import SlackTransport, slack_client
from greenery_assets.alerts.without_slack import LogTransport
from greenery_assets.settings import Settings


def routing_of(settings: Settings) -> Routing:
    """The routing file of the settings. Raises RoutingError."""
    return load_routing(settings.alerts_file, settings.slack_channel)


def client_of(settings: Settings) -> WebClient | None:
    """A client for the configured workspace; None without a token."""
    if settings.slack_token is None:
        return None
    return slack_client(settings.slack_token.get_secret_value(), str(settings.slack_api_url))


@contextmanager
def alerts_of(
    settings: Settings,
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    client: WebClient | None,
    log: logging.Logger,
    *,
    location: str = "",
) -> Iterator[Alerts]:
    """The alerts, with their ledger open; `location` names the code location. Raises LedgerError and RoutingError."""
    routing = routing_of(settings)
    ledger = Ledger.open(settings.ledger_url)
    try:
        yield Alerts(
            instance=instance,
            catalogue=Catalogue.of(repository, location),
            ledger=ledger,
            routing=routing,
            reader=reader_of(settings, routing),
            transport=(
                SlackTransport(client, Pictures(client, settings.report_picture, log)) if client else LogTransport(log)
            ),
            lock=settings.dagster_home / "alerts.lock",
            picture=settings.report_picture,
            preview=None if client else settings.preview_path,
            log=log,
        )
    finally:
        ledger.close()


def reader_of(settings: Settings, routing: Routing) -> Reader:
    """Whom the messages speak to."""
    return Reader(settings.zone, str(settings.ui_url).rstrip("/"), routing.mentions)
