"""A fake Slack for each test, and a client of it."""

from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from tests.slack.calls import client_of
from tests.slack.fake import FakeSlack


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    """With one channel."""
    with FakeSlack() as fake:
        fake.add_channel("alerts")
        yield fake


@pytest.fixture
def client(slack: FakeSlack) -> WebClient:
    """The bot's."""
    return client_of(slack)
