"""From runs to Slack through outages: no pass raises or lasts, each transition is told once, a backlog is seen.

What becomes of single messages is test_delivery's business.
"""

import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from greenery_assets.alerts import dispatch, notify
from greenery_assets.alerts import runs as runs_module
from greenery_assets.alerts import slack as slack_module
from greenery_assets.alerts.dispatch import LONGEST_READING, Alerts
from greenery_assets.alerts.incidents import RunObservation
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.notify import LONGEST_PASS, ContentRefusedError, Receipt, ThreadGoneError
from greenery_assets.alerts.preview import LogTransport
from greenery_assets.alerts.slack import LONGEST_STEP_S
from greenery_assets.assets.slack_messages import messages_arrive
from tests.alerts.outbox import ALERTS, DAILY, HAPPENS, Clock, Outbox, outbox_in
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop, transport_to
from tests.slack.fake import ANY_METHOD, FakeSlack, Fault

LIMIT = timedelta(seconds=30)
LONGEST_STEP = timedelta(seconds=LONGEST_STEP_S)
OUTAGES = {
    "500": Fault.http(500),
    "answers lost": Fault.dropped(accepts=True),
    "garbage": Fault.garbage(accepts=True),
    "rate limit": Fault.rate_limited(0),
    "token revoked": Fault.error("token_revoked"),
    "channel gone": Fault.error("channel_not_found"),
}


@pytest.fixture
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    # Between two passes no time passes here.
    monkeypatch.setattr(notify, "FIRST_PAUSE", timedelta(0))


@pytest.fixture
def outbox(tmp_path: Path, slack: FakeSlack) -> Iterator[Outbox]:
    with outbox_in(tmp_path, slack) as outbox:
        yield outbox


@dataclass
class SlowTransport:
    """Slack at its worst: each answer comes at the last moment, and is of no use."""

    clock: Clock
    is_preview = False

    def post(
        self, channel: str, message: Message, delivery_id: str, thread: Receipt | None, *, is_broadcast: bool
    ) -> Receipt:
        self.clock.wait(LONGEST_STEP)
        if thread:
            raise ThreadGoneError(f"The thread in {channel} is gone ({is_broadcast}).")
        if message.blocks:
            raise ContentRefusedError("The blocks are not acceptable.")
        return Receipt("C1", delivery_id)

    def edit(self, posted: Receipt, message: Message) -> Receipt:
        self.clock.wait(LONGEST_STEP)
        raise ContentRefusedError(f"{message.text} is not acceptable for {posted.ts}.")

    def find(self, channel: str, delivery_id: str, thread: Receipt | None, since: datetime) -> Receipt | None:
        self.clock.wait(LONGEST_STEP)
        if thread:
            raise ThreadGoneError(f"{delivery_id} is not in {channel} since {since}.")
        return None


def test_the_longest_reading_and_the_longest_delivery_together_stay_under_the_limit() -> None:
    assert LONGEST_READING + LONGEST_PASS + LONGEST_STEP < LIMIT


def test_a_delivery_begins_nothing_after_its_time_however_slowly_slack_answers(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.deliver()
    outbox.transport = SlowTransport(outbox.clock)
    with outbox.ledger.transaction() as book:
        book.mark("orders broke", slack_channel="C1")
    for number in range(3):
        outbox.say(f"worse {number}", root="orders broke", blocks=True)
        outbox.edit("orders broke", f"day {number}", blocks=True)
        with outbox.ledger.transaction() as book:
            book.mark(f"worse {number}", state="sending")
    for _ in range(40):
        began = outbox.clock()
        report = outbox.deliver()
        assert outbox.clock() - began <= LONGEST_PASS + LONGEST_STEP
        if not report.waiting:
            break
        outbox.clock.wait(timedelta(minutes=2))


@pytest.mark.parametrize("fault", [Fault.dropped(after=20), Fault.trickling(0.1)], ids=["hangs", "trickles"])
def test_a_pass_ends_after_one_time_out_when_all_of_slack_hangs(
    shop: Shop, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(slack_module, "TIMEOUT_S", 0.5)
    alerts = shop.alerts(transport_to(slack), settle=timedelta(minutes=1))
    alerts.run_pass()
    record_run(shop, "orders=F3 users=f2 daily=F1")
    slack.fault(ANY_METHOD, fault, times=None)
    alerts.read_news(datetime.now(UTC))
    began = time.monotonic()
    report = alerts.run_pass()
    assert 0.5 <= time.monotonic() - began < 5
    assert len(slack.requests) == 1
    assert report.waiting
    assert "Slack did not answer within 0.5 s" in report.problems[0]


def test_a_pass_that_has_much_to_read_stops_in_time_and_the_next_goes_on(
    shop: Shop, slack: FakeSlack, alerts: Alerts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (1, 2, 3, 4):
        record_run(shop, f"staged=F{rows}")
    read = runs_module.read_run

    def slowly(*arguments: Any) -> RunObservation | None:
        time.sleep(0.2)
        return read(*arguments)

    monkeypatch.setattr(runs_module, "read_run", slowly)
    monkeypatch.setattr(dispatch, "LONGEST_READING", timedelta(seconds=0.3))
    runs: list[int] = []
    while sum(runs) < 4:
        runs.append(alerts.run_pass().runs)
        assert len(runs) < 20
    assert max(runs) < 4
    (root,) = slack.messages("data-alerts")
    replies = [reply.text for reply in slack.thread("data-alerts", root.ts)]
    assert [re.findall(r"\d → \d", text) for text in replies] == [["1 → 2"], ["2 → 3"], ["3 → 4"]]


def made_ids(alerts: Alerts) -> list[str]:
    """What the ledger holds for sent."""
    with alerts.ledger.transaction() as book:
        return sorted(row.delivery_id for row in book.sent(100))


def posted_ids(slack: FakeSlack) -> list[str]:
    """What stands in Slack, by delivery id."""
    return sorted(
        message.metadata["event_payload"]["delivery_id"] for message in slack.all_messages() if message.metadata
    )


@pytest.mark.usefixtures("_without_pauses")
@pytest.mark.parametrize("fault", OUTAGES.values(), ids=OUTAGES)
def test_each_transition_during_an_outage_is_told_once_when_it_is_over(
    shop: Shop,
    slack: FakeSlack,
    alerts: Alerts,
    caplog: pytest.LogCaptureFixture,
    fault: Fault,
) -> None:
    caplog.set_level(logging.DEBUG)
    for found in ("staged=F3", "staged=F5", ""):
        slack.fault(ANY_METHOD, fault, times=None)
        record_run(shop, found)
        assert alerts.run_pass().problems
        assert alerts.run_pass().waiting
        slack.clear_faults()
    report = alerts.run_pass()
    assert (report.waiting, report.problems) == (0, [])
    (root,) = slack.messages("data-alerts")
    replies = slack.thread("data-alerts", root.ts)
    assert len(replies) == 2
    assert "3 → 5 rows" in replies[0].text
    assert "resolved" in replies[1].text.lower()
    assert "resolved" in root.text.lower()
    assert posted_ids(slack) == made_ids(alerts)
    said = caplog.text + "".join(path.read_text(errors="ignore") for path in shop.home.glob("alerts.sqlite*"))
    assert slack.token not in said
    assert "Traceback" not in caplog.text


@pytest.mark.usefixtures("_without_pauses")
def test_an_outage_of_every_kind_in_a_row_loses_and_doubles_nothing(
    shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    record_run(shop, "orders=F3 events=f2")
    for fault in OUTAGES.values():
        slack.fault(ANY_METHOD, fault, times=2)
        alerts.run_pass()
    slack.stop_listening()
    assert "Slack cannot be reached" in alerts.run_pass().problems[0]
    slack.listen_again()
    while alerts.run_pass().waiting:
        pass
    assert posted_ids(slack) == made_ids(alerts)


# The backlog as a check


def verdict(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dg.AssetCheckResult:
    """What slack_messages_arrive finds."""
    monkeypatch.delenv("GREENERY_SLACK_TOKEN", raising=False)
    monkeypatch.setenv("GREENERY_ALERTS_LEDGER", f"sqlite:///{folder / 'alerts.sqlite'}")
    from greenery_assets.definitions import catalogue  # noqa: PLC0415  reads the settings

    result = messages_arrive(catalogue)
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_the_check_of_the_backlog_passes_while_messages_are_sent_and_fails_on_a_late_one(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outbox.clock.now = datetime.now(UTC) - timedelta(minutes=20)
    outbox.say("orders broke")
    outbox.deliver()
    assert verdict(monkeypatch, tmp_path).passed
    outbox.slack.fault(ANY_METHOD, Fault.http(500), times=None)
    outbox.clock.wait(timedelta(minutes=10))
    outbox.say("users broke")
    outbox.deliver()
    assert verdict(monkeypatch, tmp_path).passed
    outbox.clock.wait(timedelta(minutes=-6))
    outbox.say("events broke")
    found = verdict(monkeypatch, tmp_path)
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "1 messages wait, the oldest since" in str(found.description)
    outbox.recover()
    assert verdict(monkeypatch, tmp_path).passed


def test_the_check_of_the_backlog_fails_on_a_refused_message(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outbox.clock.now = datetime.now(UTC)
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.error("msg_too_long"), times=None)
    outbox.deliver()
    found = verdict(monkeypatch, tmp_path)
    assert not found.passed
    assert "1 were refused by Slack" in str(found.description)


def test_the_check_of_the_backlog_passes_without_a_token(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outbox.transport = LogTransport(HAPPENS)
    for number in range(30):
        outbox.say(f"message {number}", DAILY if number % 2 else ALERTS)
    outbox.deliver()
    assert verdict(monkeypatch, tmp_path).passed
    assert outbox.slack.requests == []
