"""A small shop and a fake Slack for each test that wants one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from greenery_assets.alerts.dispatch import Alerts
from tests.alerts.shop import Shop, shop_in, transport_to
from tests.slack.fake import FakeSlack


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """With Dagster's own storage, and nothing run yet."""
    with shop_in(tmp_path) as shop:
        yield shop


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    """With the channels of the shop's routing."""
    with FakeSlack() as slack:
        slack.add_channel("data-alerts")
        slack.add_channel("data-daily")
        yield slack


@pytest.fixture
def alerts(shop: Shop, slack: FakeSlack) -> Alerts:
    """The shop's alerts, which have begun before its first run."""
    alerts = shop.alerts(transport_to(slack))
    alerts.begin()
    return alerts
