"""Greenery as its alerts know it, in a folder and with a ledger of a test's own."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine

from greenery_assets.alerts.ledger import Ledger
from greenery_assets.alerts.project import Project, SampleMark
from greenery_assets.alerts.schema import open_engine
from greenery_assets.privacy import SHAREABLE_COLUMNS, SHAREABLE_REASON, masked
from greenery_assets.settings import Settings
from tests.alerts.builders import JOB

GROUPS = ("raw", "staging", "core", "marketing", "product", "reporting")
PROJECT = Project(
    name="Greenery",
    settings_prefix="GREENERY_",
    home=Path("/nowhere"),
    ledger_url="sqlite://",
    preview=Path("/nowhere/alerts.html"),
    slack_channel="#data-alerts",
    groups=GROUPS,
    marts=frozenset({"core", "marketing", "product"}),
    daily_job=JOB,
    key_figures={"marketing/fact_repeat_rate": "repeat_rate", "product/fact_conversion": "conversion_rate"},
    changes=("reporting/state_of_the_data", "changes"),
    sample_mark=SampleMark("raw", "source", "sample data"),
    shareable_columns=SHAREABLE_COLUMNS,
    mask=masked,
    shareable_reason=SHAREABLE_REASON,
)


def project_in(home: Path) -> Project:
    """The project with everything in a folder."""
    ledger = f"sqlite:///{home / 'alerts.sqlite'}"
    return replace(
        PROJECT, home=home, ledger_url=ledger, preview=home / "alerts.html", picture=home / "state_of_the_data.png"
    )


def ledger_at(url: str) -> Ledger:
    """The project's ledger at a database URL."""
    return Ledger.open(replace(PROJECT, ledger_url=url))


def engine_at(url: str) -> Engine:
    """The same, as an engine."""
    return open_engine(replace(PROJECT, ledger_url=url))


def project_of(settings: Settings) -> Project:
    """Greenery, as its own definitions hand it over."""
    from greenery_assets.definitions import alerts_project  # noqa: PLC0415  reads the environment

    return alerts_project(settings)
