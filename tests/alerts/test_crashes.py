"""The process killed by SIGKILL, wherever it is: what people read is as if nothing had happened.

The runs and the fake Slack are here, the passes that die are crash_driver's.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from signal import SIGKILL
from typing import Any
from urllib.parse import urlsplit

import pytest

from greenery_assets.alerts.ledger import FIRST_PASS, READ_TO, STARTED_AFTER, Ledger
from tests.alerts.crash_driver import LEDGER, Command
from tests.alerts.projects import ledger_at
from tests.alerts.shop import Shop
from tests.job import ROOT
from tests.slack.fake import FakeSlack, Fault, Posted

pytestmark = pytest.mark.slow

KILLS = 100
SEED = 20260504
# Less than Slack takes, and enough that many a kill comes while an answer is awaited.
SLACK_TAKES_S = 0.04
# About what a pass that sends one message takes. The longest delay grows from it with each kill, to twice that at
# the hundredth, which is more than most passes take; also a slow machine gets through at last.
SHORT_PASS_S = 0.09
# A dead process's requests are waited for in another way (`Channel._let_arrive`). This only makes some passes find
# a message that it is too early to look for.
SETTLE_S = 0.1
# The ledger is made in one transaction: its points are much alike.
POINTS_SKIPPED_IN_THE_MAKING = 5
Record = Callable[[str, object], None]

# What each run finds; the letters are builders'. As little as gives a thread, replies, one of them shown in the
# channel, an edit and the digest.
SHORT_HISTORY: tuple[dict[str, str], ...] = ({"found": "orders=f3 events=f2"}, {"found": "orders=F4"})
LONG_HISTORY: tuple[dict[str, str], ...] = (
    {"found": "orders=F3"},
    # Folded under the one before, then told for itself as the other is resolved.
    {"found": "staged=F2", "job": "staging_orders"},
    {"found": "staged=f2"},
    # A group; one of it gets worse, one better, one stays; one is raised to an ERROR.
    {"found": "orders=f2 events=f2 daily=f1 users=f1"},
    {"found": "orders=f4", "job": "raw_orders"},
    {"found": "events=f1", "job": "raw_events"},
    {"found": "events=f1", "job": "raw_events"},
    {"found": "orders=F4", "job": "raw_orders"},
    # A run that fails without a failing check, and one that makes all good.
    {"breaks": "raw/orders"},
    {},
    # Three reopened, one of them because it cannot be evaluated. After it all begins anew: checks come and go.
    {"found": "events=f3 daily=x1 users=f1"},
)


class Driver:
    """The process that forks the passes."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_driver.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"},
        )

    def kills(self, command: Command) -> bool:
        """Have a pass run; returns whether it was killed before its end."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(command.dump())
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        assert code in {0, -SIGKILL}, "the pass failed: its traceback is on stderr"
        return code == -SIGKILL

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=10)


@dataclass
class Channel:
    """A ledger and a Slack of their own, in which the runs of a shop are told from the first on."""

    shop: Shop
    folder: Path
    timezone: str
    slack: FakeSlack
    driver: Driver
    ledger: Ledger

    def kills_pass(self, *, settle_s: float = 0, at: int | None = None, after_s: float | None = None) -> bool:
        """Run a pass, killed at a step or after a time if given; returns whether it was before its end."""
        where = str(self.shop.home), str(self.folder), self.slack.token, self.slack.url, self.timezone
        was_killed = self.driver.kills(Command(*where, settle_s, at, after_s))
        self._let_arrive()
        return was_killed

    def finish(self) -> None:
        """Run passes until nothing waits."""
        for _ in range(20):
            assert not self.kills_pass()
            if not self.is_waiting:
                return
            time.sleep(SETTLE_S)
        raise AssertionError("messages wait for ever")

    @property
    def is_waiting(self) -> bool:
        """Whether something is not delivered yet."""
        with self.ledger.transaction() as book:
            return bool(book.waiting())

    @property
    def read_to(self) -> str | None:
        """Up to where Dagster's log was read."""
        with self.ledger.transaction() as book:
            return book.progress(READ_TO)

    @property
    def being_sent(self) -> set[tuple[str, int]]:
        """The messages marked as being sent, each with the number of the attempt."""
        with self.ledger.transaction() as book:
            return {(row.delivery_id, row.attempts) for row in book.waiting() if row.state == "sending"}

    @property
    def repeated_attempts(self) -> int:
        """How many attempts to send were not the first."""
        with self.ledger.transaction() as book:
            return sum(row.attempts - 1 for row in book.sent(limit=10_000))

    @property
    def content(self) -> dict[str, list[tuple[object, list[object]]]]:
        """Everything in Slack as it reads now, in order: the messages of each channel, each with its thread."""
        return {
            name: [
                (_shown(message), [_shown(reply) for reply in self.slack.thread(name, message.ts)])
                for message in self.slack.messages(name)
            ]
            for name in self.slack.channels
        }

    def assert_all_is_sent_once(self) -> None:
        """Each message is in Slack once, where the ledger says; nothing is left in the outbox."""
        with self.ledger.transaction() as book:
            # What is neither is sent, or was superseded by a newer edit.
            assert not book.waiting()
            assert not book.refused(datetime(2000, 1, 1, tzinfo=UTC))
            sent = [(row.delivery_id, row.slack_ts) for row in book.sent(limit=10_000)]
        posted = [(_delivery_id(message), message.ts) for message in self.slack.all_messages()]
        assert sorted(posted) == sorted(sent)

    def _let_arrive(self) -> None:
        """Wait until Slack is through with all that a dead process has sent."""
        # Connections are accepted in order, a thread for each: when this one is answered, all have theirs.
        with closing(HTTPConnection(urlsplit(self.slack.url).netloc)) as connection:
            connection.request("POST", "/api/auth.test")
            connection.getresponse().read()
        for thread in threading.enumerate():
            if "process_request_thread" in thread.name:
                thread.join()


@pytest.fixture(scope="module")
def driver() -> Iterator[Driver]:
    with closing(Driver()) as driver:
        yield driver


@pytest.fixture
def timezone() -> str:
    """A time zone in which a test begins at about noon, so that no other day begins during it."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


@contextmanager
def channel_of(shop: Shop, driver: Driver, folder: Path, timezone: str) -> Iterator[Channel]:
    folder.mkdir()
    with FakeSlack() as slack, closing(ledger_at(f"sqlite:///{folder / LEDGER}")) as ledger:
        for name in ("data-alerts", "data-daily"):
            slack.add_channel(name)
        with ledger.transaction() as book:
            book.set_progress(READ_TO, "0")
            book.set_progress(STARTED_AFTER, "0")
            book.set_progress(FIRST_PASS, datetime.now(UTC).isoformat())
        yield Channel(shop, folder, timezone, slack, driver, ledger)


def _shown(message: Posted) -> tuple[str, list[dict[str, Any]], bool]:
    return message.text, message.blocks, message.broadcast


def _delivery_id(message: Posted) -> str:
    assert message.metadata
    return str(message.metadata["event_payload"]["delivery_id"])


@pytest.mark.slowest
def test_killed_at_any_step_of_a_pass_each_transition_is_told_once(
    shop: Shop, driver: Driver, tmp_path: Path, timezone: str, record_property: Record
) -> None:
    for run in SHORT_HISTORY:
        shop.run(**run)
    with channel_of(shop, driver, tmp_path / "undisturbed", timezone) as undisturbed:
        undisturbed.finish()
        expected, messages = undisturbed.content, len(undisturbed.slack.all_messages())
    kills = sending = repeated = 0
    is_through = False
    while not is_through:
        with channel_of(shop, driver, tmp_path / f"killed_{kills}", timezone) as disturbed:
            if disturbed.kills_pass(at=kills + 1):
                kills += 1
                sending += len(disturbed.being_sent)
            else:
                is_through = True
            disturbed.finish()
            disturbed.assert_all_is_sent_once()
            assert disturbed.content == expected, f"killed at step {kills}"
            repeated += disturbed.repeated_attempts
    record_property("kills", kills)
    record_property("kills_between_sending_and_sent", sending)
    record_property("kills_after_slack_accepted", sending - repeated)
    # For each message: marked, about to be posted, posted, about to be marked as sent; and for the first of all,
    # about to look up its channel and having done so.
    assert sending == 4 * messages + 2
    assert repeated == 2 * messages + 2


@pytest.mark.slowest
def test_killed_a_hundred_times_at_random_each_transition_is_told_once(
    shop: Shop, driver: Driver, tmp_path: Path, timezone: str, record_property: Record
) -> None:
    chance = random.Random(SEED)
    history = cycle(LONG_HISTORY)
    with (
        channel_of(shop, driver, tmp_path / "undisturbed", timezone) as undisturbed,
        channel_of(shop, driver, tmp_path / "disturbed", timezone) as disturbed,
    ):
        for method in ("chat.postMessage", "chat.update"):
            disturbed.slack.fault(method, Fault(after=SLACK_TAKES_S, accepts=True), times=None)
        runs = kills = sending = survivals = 0
        while kills < KILLS or runs < len(LONG_HISTORY):
            if disturbed.read_to == undisturbed.read_to and not disturbed.is_waiting:
                shop.run(**next(history))
                runs += 1
                undisturbed.finish()
            sent_before = disturbed.being_sent
            if disturbed.kills_pass(settle_s=SETTLE_S, after_s=chance.uniform(0, SHORT_PASS_S * (1 + kills / KILLS))):
                kills += 1
                sending += bool(disturbed.being_sent - sent_before)
            else:
                survivals += 1
        for channel in (undisturbed, disturbed):
            channel.finish()
            channel.assert_all_is_sent_once()
        record_property("runs", runs)
        record_property("kills", kills)
        record_property("kills_between_sending_and_sent", sending)
        record_property("kills_after_slack_accepted", sending - disturbed.repeated_attempts)
        record_property("passes_that_ended_before_their_kill", survivals)
        record_property("messages", len(disturbed.slack.all_messages()))
        assert disturbed.content == undisturbed.content
        assert sending > KILLS / 10


def test_killed_while_its_ledger_is_made_it_begins_anew(shop: Shop, driver: Driver, tmp_path: Path) -> None:
    with FakeSlack() as slack:
        for at in range(1, 1000, POINTS_SKIPPED_IN_THE_MAKING):
            folder = tmp_path / f"killed_at_{at}"
            folder.mkdir()
            where = str(shop.home), str(folder), slack.token, slack.url, "UTC", 0.0
            was_killed = driver.kills(Command(*where, dies_at=at))
            assert not driver.kills(Command(*where))
            if not was_killed:
                break
        assert at > 1
