"""The small shop of the alerts' tests, whose history the page tells."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.alerts.shop import Shop, shop_in
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
