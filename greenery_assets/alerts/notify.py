"""The outbox's way to people: each message once, in order, through crashes and outages.

A message is marked as being sent before it is, and carries its delivery id. What was being sent when the
process or the connection died is looked up by that id before it is sent again. Nothing here waits: what cannot
be sent now is left, with the time before which it makes no sense to try.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Row

from greenery_assets.alerts.ledger import Ledger, message_of
from greenery_assets.alerts.messages import Message

PREVIEW = "preview"
LONGEST_PASS = timedelta(seconds=8)
# A request that got no answer may still be accepted for as long as this.
SETTLE = timedelta(seconds=30)
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=1)
# Of every wait, also of one that Slack asks for: it is kept as a time, and the clock may have been wrong then.
LONGEST_WAIT = timedelta(minutes=5)
# A message noted by a clock that was ahead may be older than it says.
LOOKED_BACK = timedelta(days=1)


class DeliveryError(Exception):
    """A message did not arrive; the text says why and what to do, in plain words.

    `stops_all` means that no other message would arrive either, `stops_channel` none in the same channel,
    `may_have_arrived` that it must be looked for before it is sent again.
    """

    stops_all = False
    stops_channel = True
    may_have_arrived = False


class MaybeDeliveredError(DeliveryError):
    """No answer came: the message may have arrived or not."""

    stops_all = True
    may_have_arrived = True


class UnreachableError(DeliveryError):
    """The message cannot have arrived: there was no connection, or no time left in the pass for one."""

    stops_all = True


class AccessRefusedError(DeliveryError):
    """The token does not open what is needed."""

    stops_all = True


class ChannelRefusedError(DeliveryError):
    """The channel does not take messages from us."""


class ContentRefusedError(DeliveryError):
    """The message itself is not acceptable."""

    stops_channel = False


class ThreadGoneError(DeliveryError):
    """The message to reply to, or to edit, is not there any more."""

    stops_channel = False


class RateLimitedError(DeliveryError):
    """Too many messages; more are welcome after `pause`."""

    def __init__(self, reason: str, pause: timedelta) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(frozen=True)
class Receipt:
    """Where a message is: the channel's id and the message's timestamp there."""

    channel: str
    ts: str


class Transport(Protocol):
    """A way to people. All raise DeliveryError in one of its forms."""

    def post(
        self, channel: str, message: Message, delivery_id: str, thread: Receipt | None, *, is_broadcast: bool
    ) -> Receipt:
        """Send a message to a channel, or into a thread of it."""

    def edit(self, posted: Receipt, message: Message) -> Receipt:
        """Give a sent message new content."""

    def find(self, channel: str, delivery_id: str, thread: Receipt | None, since: datetime) -> Receipt | None:
        """Look for a message sent since a time by its delivery id."""

    @property
    def is_preview(self) -> bool:
        """Whether messages only go to the preview: what is in one of Slack and the preview is not in the other."""


@dataclass
class Report:
    """What a pass did: ended runs read, messages sent, edited, and left, and why these are left, in plain words."""

    runs: int = 0
    sent: int = 0
    edited: int = 0
    waiting: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass
class Deliverer:
    """Delivers what waits in a ledger. Only one may work on a ledger at a time.

    `channels` are those in use: what waits for another goes to `default_channel`.
    """

    ledger: Ledger
    transport: Transport
    channels: frozenset[str]
    default_channel: str
    log: logging.Logger
    settle: timedelta = SETTLE
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _ends_at: datetime = field(init=False)

    def deliver(self) -> Report:
        """Send what waits, in order; after eight seconds nothing more is begun."""
        report = Report()
        self._ends_at = self.clock() + LONGEST_PASS
        with self.ledger.transaction() as book:
            waiting = book.waiting()
        closed: set[str] = set()
        for item in waiting:
            if self.clock() > self._ends_at:
                break
            channel = item.channel if item.channel in self.channels else self.default_channel
            if channel in closed:
                continue
            if item.not_before and self.clock() < item.not_before <= self.clock() + LONGEST_WAIT:
                closed.add(channel)
                continue
            try:
                if item.edits:
                    self._edit(item)
                    report.edited += 1
                else:
                    self._send(item, channel)
                    report.sent += 1
            except DeliveryError as refusal:
                self._keep(item, refusal)
                if str(refusal) not in report.problems:
                    report.problems.append(str(refusal))
                    self.log.error(str(refusal))
                if refusal.stops_all:
                    break
                if refusal.stops_channel:
                    closed.add(channel)
        with self.ledger.transaction() as book:
            waiting = book.waiting()
        report.waiting = len(waiting)
        if not report.problems:
            # Nothing was tried again yet: what went wrong the last time is still why they wait.
            report.problems = list(dict.fromkeys(row.last_error for row in waiting if row.last_error))
        return report

    def _send(self, item: Row[Any], channel: str) -> None:
        # A thread stays in its channel; what was meant for a channel no longer in use stands alone elsewhere.
        thread = self._receipt(item.root) if item.root and channel == item.channel else None
        receipt = self._find(item, channel, thread) if item.state == "sending" else None
        if receipt is None:
            now = self.clock()
            self._mark(item, state="sending", attempts=item.attempts + 1, not_before=now + self.settle)
            receipt = self._acceptably(item, lambda message: self._post(item, channel, message, thread))
        self._mark(
            item,
            state="sent",
            sent_at=self.clock(),
            slack_channel=receipt.channel,
            slack_ts=receipt.ts,
            not_before=None,
            last_error="",
        )

    def _find(self, item: Row[Any], channel: str, thread: Receipt | None) -> Receipt | None:
        try:
            since = item.created_at if item.created_at <= self.clock() else self.clock() - LOOKED_BACK
            return self._in_time().find(channel, item.delivery_id, thread, since)
        except ThreadGoneError:
            return self._find(item, channel, None) if thread else None
        except DeliveryError as refusal:
            refusal.may_have_arrived = True
            raise

    def _acceptably(self, item: Row[Any], send: Callable[[Message], Receipt]) -> Receipt:
        """Send a message as it is, or as plain text where it is not taken so."""
        message = message_of(item)
        if not item.is_plain:
            try:
                return send(message)
            except ContentRefusedError as refusal:
                if not message.blocks:
                    raise
                self.log.error(f"{refusal} It is sent as plain text instead.")
                self._mark(item, is_plain=True)
        return send(Message(message.text, ()))

    def _post(self, item: Row[Any], channel: str, message: Message, thread: Receipt | None) -> Receipt:
        is_broadcast = item.is_broadcast and thread is not None
        try:
            return self._in_time().post(channel, message, item.delivery_id, thread, is_broadcast=is_broadcast)
        except ThreadGoneError:
            if thread is None:
                raise
            # Somebody deleted the thread: what is left to say is said in the channel.
            return self._post(item, channel, message, None)

    def _edit(self, item: Row[Any]) -> None:
        posted = self._receipt(item.edits)
        if posted:
            self._acceptably(item, lambda message: self._in_time().edit(posted, message))
        self._mark(item, state="sent" if posted else "superseded", sent_at=self.clock(), not_before=None, last_error="")

    def _in_time(self) -> Transport:
        """The transport, while there is time for a request more."""
        if self.clock() > self._ends_at:
            raise UnreachableError("Slack answers slowly; what is left follows with the next pass.")
        return self.transport

    def _receipt(self, delivery_id: str) -> Receipt | None:
        """Where another message of the outbox is; None where it was never sent this way."""
        with self.ledger.transaction() as book:
            row = book.message(delivery_id)
        if row is None or row.slack_ts is None:
            return None
        was_preview = row.slack_channel == PREVIEW
        return Receipt(row.slack_channel, row.slack_ts) if was_preview == self.transport.is_preview else None

    def _keep(self, item: Row[Any], refusal: DeliveryError) -> None:
        """Note why a message did not arrive, and when to try again."""
        pause = min(FIRST_PAUSE * 2 ** min(item.attempts, 6), LONGEST_PAUSE)
        state, attempts = "pending", item.attempts + 1
        if refusal.may_have_arrived and not item.edits:
            state, pause = "sending", self.settle
        if isinstance(refusal, RateLimitedError):
            pause = min(refusal.pause, LONGEST_WAIT)
        elif isinstance(refusal, ContentRefusedError):
            state = "refused"
        elif item.edits and (isinstance(refusal, ThreadGoneError) or item.channel not in self.channels):
            state = "superseded"
        self._mark(item, state=state, attempts=attempts, not_before=self.clock() + pause, last_error=str(refusal))

    def _mark(self, item: Row[Any], **values: object) -> None:
        with self.ledger.transaction() as book:
            book.mark(item.delivery_id, **values)
