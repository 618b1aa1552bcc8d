"""An outbox with a clock that a test moves: messages go into a real ledger, and over HTTP to the fake Slack.

A thread is written as its message followed by its replies: ["opened", ["worse", "resolved"]].
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from greenery_assets.alerts.ledger import Ledger, Outgoing
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.notify import Deliverer, Report, Transport
from tests.alerts.projects import ledger_at
from tests.alerts.shop import transport_to
from tests.slack.fake import FakeSlack

ALERTS, DAILY = "#data-alerts", "#data-daily"
HAPPENS = logging.getLogger("alerts.test")
LONG = timedelta(minutes=2)


@dataclass
class Clock:
    """Stands still until it is moved. It begins a day ago: what Slack stamps is always later."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=1))

    def __call__(self) -> datetime:
        return self.now

    def wait(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time


@dataclass
class Outbox:
    """What waits to be sent, and where it goes. The delivery id of a message is its first text."""

    ledger: Ledger
    slack: FakeSlack
    transport: Transport
    clock: Clock = field(default_factory=Clock)
    channels: frozenset[str] = frozenset([ALERTS, DAILY])

    def say(
        self, text: str, channel: str = ALERTS, root: str | None = None, *, shown: bool = False, blocks: bool = False
    ) -> None:
        """A message, or a reply that may be shown in the channel as well."""
        content = ({"type": "section", "text": {"type": "mrkdwn", "text": text}},) if blocks else ()
        self._put(Outgoing(channel, Message(text, content), root, is_broadcast=shown, delivery_id=text))

    def edit(self, root: str, text: str, channel: str = ALERTS, *, blocks: bool = False) -> None:
        """New content for a message."""
        content = ({"type": "section", "text": {"type": "mrkdwn", "text": text}},) if blocks else ()
        self._put(Outgoing(channel, Message(text, content), edits=root, delivery_id=f"edit to {text}"))

    def _put(self, outgoing: Outgoing) -> None:
        with self.ledger.transaction() as book:
            book.enqueue(outgoing, self.clock.now)

    def deliver(self) -> Report:
        """One delivery."""
        return Deliverer(self.ledger, self.transport, self.channels, ALERTS, HAPPENS, clock=self.clock).deliver()

    def recover(self) -> None:
        """Slack is as it should be, and time passes until nothing waits."""
        self.slack.clear_faults()
        for _ in range(20):
            self.clock.wait(LONG)
            if not self.deliver().waiting:
                return
        raise AssertionError("Messages wait for ever.")

    def row(self, delivery_id: str) -> Any:
        """A message as the ledger has it."""
        with self.ledger.transaction() as book:
            return book.message(delivery_id)

    def shown(self, channel: str = ALERTS) -> list[Any]:
        """What stands in a channel, each message followed by its replies if it has any."""
        found: list[Any] = []
        for message in self.slack.messages(channel[1:]):
            replies = [reply.text for reply in self.slack.thread(channel[1:], message.ts)]
            found += [message.text, replies] if replies else [message.text]
        return found

    @property
    def posts(self) -> int:
        """How often something was posted or tried to be."""
        return sum(request.method == "chat.postMessage" for request in self.slack.requests)


@contextmanager
def fake_slack() -> Iterator[FakeSlack]:
    """The workspace that the shop's routing is for."""
    with FakeSlack() as slack:
        slack.add_channel(ALERTS[1:])
        slack.add_channel(DAILY[1:])
        yield slack


@contextmanager
def outbox_in(folder: Path, slack: FakeSlack) -> Iterator[Outbox]:
    """An empty outbox."""
    ledger = ledger_at(f"sqlite:///{folder / 'alerts.sqlite'}")
    try:
        yield Outbox(ledger, slack, transport_to(slack))
    finally:
        ledger.close()
