"""The real project's alerts, in a home of a test's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.sensors import alerts_of, client_of
from greenery_assets.settings import load_settings
from tests.job import Home


@contextmanager
def alerts_here(home: Home, source: Path, **settings: str) -> Iterator[Alerts]:
    """The alerts as the settings of a home have them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**home.environment(source), **settings}.items():
            patch.setenv(name, value)
        from greenery_assets.definitions import alerts_project, defs  # noqa: PLC0415  reads the settings

        project = alerts_project(load_settings())
        with (
            dg.DagsterInstance.get() as instance,
            alerts_of(project, instance, defs.get_repository_def(), client_of(project)) as alerts,
        ):
            yield alerts
