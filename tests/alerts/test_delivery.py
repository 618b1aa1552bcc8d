"""Whatever goes wrong on the way to Slack: nothing is lost, nothing is doubled, the order is kept."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from greenery_assets.alerts import slack as slack_module
from greenery_assets.alerts.notify import LONGEST_WAIT, SETTLE
from greenery_assets.alerts.preview import LogTransport
from tests.alerts.outbox import ALERTS, DAILY, HAPPENS, LONG, Outbox, fake_slack, outbox_in
from tests.alerts.shop import transport_to
from tests.slack import fake
from tests.slack.fake import ANY_METHOD, FakeSlack, Fault

# Of the faults that take time. All others have the real one: a busy machine must not add a fault of its own.
TIMEOUT_S = 0.5
GOES_WELL = Fault(accepts=True)
ONCE = {
    "500": (Fault.http(500), "Slack has trouble (HTTP 500)"),
    "500 after accepting": (Fault.http(500, accepts=True), "Slack has trouble (HTTP 500)"),
    "internal error": (Fault.error("internal_error"), "Slack has trouble (internal_error)"),
    "fatal error after accepting": (Fault.error("fatal_error", accepts=True), "Slack has trouble (fatal_error)"),
    "hang": (Fault.dropped(after=2 * TIMEOUT_S), "Slack did not answer within 0.5 s"),
    "late acceptance": (Fault.late(2 * TIMEOUT_S), "Slack did not answer within 0.5 s"),
    "dropped": (Fault.dropped(), "The connection to Slack broke"),
    "answer lost": (Fault.dropped(accepts=True), "The connection to Slack broke"),
    "garbage": (Fault.garbage(), "Something else than Slack answered"),
    "garbage after accepting": (Fault.garbage(accepts=True), "Something else than Slack answered"),
    "rate limit": (Fault.rate_limited(45), "Slack takes no more messages for 45 s"),
    "token revoked": (Fault.error("token_revoked"), "was revoked. Install the Slack app again."),
    "missing scope": (Fault.error("missing_scope", needed="chat:write"), "lacks the scope chat:write"),
    "channel deleted": (Fault.error("channel_not_found"), "Create it or correct the name"),
    "archived": (Fault.error("is_archived"), "is archived. Restore it"),
    "not a member": (Fault.error("not_in_channel"), "Invite it there: /invite"),
    "unheard of": (Fault.error("something_new"), "Messages are kept and tried again"),
}
REQUESTS = 7


@pytest.fixture
def outbox(tmp_path: Path, slack: FakeSlack) -> Iterator[Outbox]:
    with outbox_in(tmp_path, slack) as outbox:
        yield outbox


def fill(outbox: Outbox) -> None:
    """Two threads, one brought up to date, and a message elsewhere: seven requests with the channels' look-up."""
    outbox.say("orders broke", blocks=True)
    outbox.say("orders: rows", root="orders broke")
    outbox.say("today", DAILY)
    outbox.say("orders worse", root="orders broke", shown=True)
    outbox.edit("orders broke", "orders broken, day 2", blocks=True)
    outbox.say("users broke")


def is_complete(outbox: Outbox) -> bool:
    return outbox.shown() == [
        "orders broken, day 2",
        ["orders: rows", "orders worse"],
        "users broke",
    ] and outbox.shown(DAILY) == ["today"]


def test_without_trouble_all_is_sent_in_one_pass_with_one_request_each(outbox: Outbox) -> None:
    fill(outbox)
    report = outbox.deliver()
    assert (report.sent, report.edited, report.waiting, report.problems) == (5, 1, 0, [])
    assert is_complete(outbox)
    assert len(outbox.slack.requests) == REQUESTS


@pytest.mark.parametrize(("fault", "words"), ONCE.values(), ids=ONCE)
def test_one_request_that_goes_wrong_anywhere_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fault: Fault, words: str
) -> None:
    caplog.set_level(logging.DEBUG)
    if fault.after:
        monkeypatch.setattr(slack_module, "TIMEOUT_S", TIMEOUT_S)
    # Of those that take time: the channels' look-up, the first message and the edit.
    for position in (0, 1, 5) if fault.after else range(REQUESTS):
        folder = tmp_path / str(position)
        folder.mkdir()
        with fake_slack() as slack, outbox_in(folder, slack) as outbox:
            fill(outbox)
            if position:
                slack.fault(ANY_METHOD, GOES_WELL, times=position)
            slack.fault(ANY_METHOD, fault)
            report = outbox.deliver()
            assert any(words in problem for problem in report.problems), (position, report)
            assert report.waiting
            time.sleep(2 * fault.after)
            outbox.recover()
            assert is_complete(outbox), (position, outbox.shown())
            assert not [path for path in folder.iterdir() if slack.token.encode() in path.read_bytes()]
            assert slack.token not in caplog.text
    assert words in caplog.text
    assert "Traceback" not in caplog.text


def test_slack_that_refuses_connections_gets_everything_once_it_is_back(outbox: Outbox) -> None:
    fill(outbox)
    outbox.slack.stop_listening()
    for _ in range(3):
        assert "Slack cannot be reached" in outbox.deliver().problems[0]
        outbox.clock.wait(LONG)
    outbox.slack.listen_again()
    outbox.recover()
    assert is_complete(outbox)
    # Nothing can have arrived: nothing is looked for.
    assert len(outbox.slack.requests) == REQUESTS


@pytest.mark.parametrize("seed", range(10))
def test_any_series_of_faults_ends_with_each_message_once_and_in_order(outbox: Outbox, seed: int) -> None:
    chance = random.Random(seed)
    transient = [fault for fault, _ in ONCE.values() if not fault.after]
    fill(outbox)
    for _ in range(40):
        outbox.slack.fault(ANY_METHOD, chance.choice([GOES_WELL, chance.choice(transient)]))
    for number in range(8):
        outbox.deliver()
        outbox.clock.wait(timedelta(seconds=chance.choice([5, 15, 40, 100])))
        outbox.say(f"later {number}")
    outbox.recover()
    threads = ["orders broken, day 2", ["orders: rows", "orders worse"], "users broke"]
    assert outbox.shown() == [*threads, *(f"later {number}" for number in range(8))]
    assert outbox.shown(DAILY) == ["today"]


def test_between_two_attempts_it_is_known_why_messages_wait(outbox: Outbox, caplog: pytest.LogCaptureFixture) -> None:
    outbox.say("orders broke")
    outbox.say("users broke")
    outbox.slack.fault("chat.postMessage", Fault.http(500))
    (reason,) = outbox.deliver().problems
    caplog.clear()
    outbox.clock.wait(timedelta(seconds=5))
    between = outbox.deliver()
    assert (between.waiting, between.problems) == (2, [reason])
    # It was logged when it happened.
    assert caplog.text == ""
    outbox.recover()
    assert outbox.deliver().problems == []


def test_a_lost_answer_is_looked_up_only_when_slack_had_time_to_accept(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    outbox.deliver()
    outbox.clock.wait(SETTLE - timedelta(seconds=1))
    outbox.deliver()
    assert [request.method for request in outbox.slack.requests] == ["conversations.list", "chat.postMessage"]
    outbox.clock.wait(timedelta(seconds=2))
    assert outbox.deliver().sent == 1
    assert outbox.posts == 1
    assert outbox.shown() == ["orders broke"]


def test_a_lost_answer_is_found_on_a_later_page(outbox: Outbox) -> None:
    outbox.slack.page_limit = 2
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    outbox.deliver()
    for number in range(7):
        outbox.slack.say(ALERTS[1:], f"chat {number}")
    outbox.recover()
    assert outbox.shown().count("orders broke") == 1


def test_retry_after_is_stored_and_other_channels_go_on(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.say("users broke")
    outbox.say("today", DAILY)
    outbox.slack.fault("chat.postMessage", Fault.rate_limited(45))
    began = time.monotonic()
    report = outbox.deliver()
    assert time.monotonic() - began < 20
    assert (report.sent, report.waiting) == (1, 2)
    assert outbox.shown(DAILY) == ["today"]
    assert outbox.row("orders broke").not_before == outbox.clock() + timedelta(seconds=45)
    outbox.clock.wait(timedelta(seconds=44))
    assert outbox.deliver().sent == 0
    outbox.clock.wait(timedelta(seconds=2))
    assert outbox.deliver().sent == 2
    assert outbox.shown() == ["orders broke", "users broke"]


def test_retry_after_holds_for_looking_a_message_up_too(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    outbox.deliver()
    outbox.clock.wait(LONG)
    outbox.slack.fault("conversations.history", Fault.rate_limited(300))
    outbox.deliver()
    assert outbox.row("orders broke").not_before == outbox.clock() + timedelta(seconds=300)
    outbox.clock.wait(timedelta(seconds=301))
    assert outbox.deliver().sent == 1
    assert outbox.shown() == ["orders broke"]


@pytest.mark.parametrize(
    "fault", [Fault.http(500), Fault.dropped(), Fault.rate_limited(10**9), Fault.error("not_authed")]
)
def test_a_clock_that_was_two_days_ahead_blocks_no_channel(outbox: Outbox, fault: Fault) -> None:
    right = outbox.clock.now
    outbox.clock.wait(timedelta(days=2))
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", fault)
    assert outbox.deliver().sent == 0
    outbox.slack.clear_faults()
    outbox.clock.now = right
    assert outbox.deliver().waiting == 0
    assert outbox.shown() == ["orders broke"]


def test_what_a_clock_ahead_sent_is_found_again_and_not_sent_twice(outbox: Outbox) -> None:
    outbox.clock.now = datetime.now(UTC) + timedelta(days=2)
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    assert outbox.deliver().sent == 0
    outbox.clock.now = datetime.now(UTC)
    assert outbox.deliver().sent == 1
    assert outbox.shown() == ["orders broke"]


@pytest.mark.parametrize("asked", [301, 86_400, 10**12])
def test_slack_is_not_waited_for_longer_than_five_minutes(outbox: Outbox, asked: int) -> None:
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.rate_limited(asked))
    outbox.deliver()
    outbox.clock.wait(LONGEST_WAIT - timedelta(seconds=1))
    assert outbox.deliver().sent == 0
    outbox.clock.wait(timedelta(seconds=2))
    assert outbox.deliver().sent == 1


def test_forty_messages_under_slacks_rate_limit_arrive_in_order_and_once(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_time = SimpleNamespace(monotonic=lambda: outbox.clock().timestamp(), time=time.time, time_ns=time.time_ns)
    monkeypatch.setattr(fake, "time", own_time)
    outbox.slack.rate_limit = True
    texts = [f"message {number}" for number in range(40)]
    for text in texts:
        outbox.say(text)
    passes = 0
    while outbox.deliver().waiting:
        passes += 1
        outbox.clock.wait(timedelta(seconds=10))
    assert passes == 13
    assert outbox.shown() == texts


@pytest.mark.parametrize("code", ["invalid_blocks", "msg_too_long", "invalid_blocks_format"])
def test_blocks_that_slack_does_not_take_are_sent_as_plain_text(
    outbox: Outbox, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    outbox.say("orders broke", blocks=True)
    outbox.say("users broke", blocks=True)
    outbox.slack.fault("chat.postMessage", Fault.error(code))
    report = outbox.deliver()
    assert (report.sent, report.waiting) == (2, 0)
    assert [bool(message.blocks) for message in outbox.slack.messages(ALERTS[1:])] == [False, True]
    assert outbox.shown() == ["orders broke", "users broke"]
    assert f"({code}). It is sent as plain text instead." in caplog.text


def test_an_edit_whose_blocks_slack_does_not_take_is_made_as_plain_text(outbox: Outbox) -> None:
    outbox.say("orders broke", blocks=True)
    outbox.edit("orders broke", "orders resolved", blocks=True)
    outbox.slack.fault("chat.update", Fault.error("invalid_blocks"))
    assert outbox.deliver().edited == 1
    assert outbox.shown() == ["orders resolved"]


def test_what_slack_takes_in_no_form_is_kept_and_holds_nothing_up(outbox: Outbox) -> None:
    outbox.say("orders broke", blocks=True)
    outbox.say("orders worse", root="orders broke")
    outbox.edit("orders broke", "orders broken, day 2")
    outbox.slack.fault("chat.postMessage", Fault.error("msg_too_long"), times=2)
    report = outbox.deliver()
    assert report.problems == ["Slack does not take a message for #data-alerts as it is (msg_too_long)."]
    assert report.waiting == 0
    with outbox.ledger.transaction() as book:
        assert [(row.delivery_id, row.last_error) for row in book.refused(outbox.clock.now)] == [
            ("orders broke", *report.problems)
        ]
    assert outbox.shown() == ["orders worse"]
    outbox.recover()
    assert outbox.posts == 3


def test_replies_to_a_deleted_thread_are_said_in_the_channel(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.deliver()
    outbox.say("orders worse", root="orders broke", shown=True)
    outbox.edit("orders broke", "orders broken, day 2")
    outbox.slack.fault("chat.postMessage", Fault.error("thread_not_found"))
    outbox.slack.fault("chat.update", Fault.error("message_not_found"))
    report = outbox.deliver()
    assert (report.sent, report.waiting) == (1, 0)
    assert outbox.shown() == ["orders broke", "orders worse"]
    assert outbox.row("edit to orders broken, day 2").state == "superseded"


def test_a_deleted_thread_and_blocks_that_are_not_taken_together_lose_nothing(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.deliver()
    outbox.say("orders worse", root="orders broke", blocks=True)
    for code in ("thread_not_found", "invalid_blocks", "thread_not_found"):
        outbox.slack.fault("chat.postMessage", Fault.error(code))
    assert outbox.deliver().sent == 1
    assert outbox.shown() == ["orders broke", "orders worse"]


def test_a_reply_whose_answer_was_lost_when_its_thread_was_deleted_is_not_doubled(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.deliver()
    outbox.say("orders worse", root="orders broke")
    outbox.slack.fault("chat.postMessage", Fault.error("thread_not_found"))
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    outbox.deliver()
    outbox.slack.clear_faults()
    outbox.slack.fault("conversations.replies", Fault.error("thread_not_found"))
    outbox.clock.wait(LONG)
    assert outbox.deliver().sent == 1
    assert outbox.shown() == ["orders broke", "orders worse"]


@pytest.mark.parametrize("scope", ["channels:history", "channels:read", "chat:write"])
def test_a_missing_scope_is_named_and_nothing_is_sent_blindly_until_it_is_there(outbox: Outbox, scope: str) -> None:
    outbox.say("orders broke")
    outbox.say("today", DAILY)
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    outbox.slack.scopes.discard(scope)
    found = []
    for _ in range(3):
        found += outbox.deliver().problems
        outbox.clock.wait(LONG)
    assert any(f"lacks the scope {scope}." in problem for problem in found)
    outbox.slack.scopes.add(scope)
    outbox.recover()
    assert (outbox.shown(), outbox.shown(DAILY)) == (["orders broke"], ["today"])


def _archive(slack: FakeSlack) -> None:
    slack.channels["data-alerts"].is_archived = True


def _leave(slack: FakeSlack) -> None:
    slack.channels["data-alerts"].is_member = False


def _hide(slack: FakeSlack) -> None:
    slack.channels["data-alerts"].is_private = True
    _leave(slack)


@pytest.mark.parametrize("close", [_archive, _leave, _hide])
def test_a_closed_channel_keeps_its_messages_and_only_its_own(
    outbox: Outbox, close: Callable[[FakeSlack], None]
) -> None:
    channel = outbox.slack.channels["data-alerts"]
    close(outbox.slack)
    fill(outbox)
    report = outbox.deliver()
    assert (report.sent, len(report.problems)) == (1, 1)
    assert ALERTS in report.problems[0]
    assert outbox.shown(DAILY) == ["today"]
    channel.is_archived, channel.is_member = False, True
    outbox.recover()
    assert is_complete(outbox)


def test_what_waits_for_a_channel_no_longer_in_use_goes_to_the_default_one(outbox: Outbox) -> None:
    outbox.slack.add_channel("old")
    outbox.say("old broke", "#old")
    outbox.channels |= {"#old"}
    outbox.deliver()
    outbox.say("old worse", "#old", root="old broke", shown=True)
    outbox.edit("old broke", "old broken, day 2", "#old")
    outbox.say("orders broke")
    outbox.channels -= {"#old"}
    outbox.slack.channels["old"].is_archived = True
    outbox.recover()
    assert outbox.shown() == ["old worse", "orders broke"]
    assert outbox.shown("#old") == ["old broke"]
    assert outbox.row("edit to old broken, day 2").state == "superseded"


def test_threads_begun_in_the_preview_go_on_in_the_channel_once_there_is_a_token(outbox: Outbox) -> None:
    to_slack, to_log = outbox.transport, LogTransport(HAPPENS)
    outbox.transport = to_log
    outbox.say("orders broke")
    assert outbox.deliver().sent == 1
    outbox.transport = to_slack
    outbox.say("orders worse", root="orders broke", shown=True)
    outbox.edit("orders broke", "orders broken, day 2")
    outbox.say("users broke")
    outbox.deliver()
    assert outbox.shown() == ["orders worse", "users broke"]
    outbox.transport = to_log
    outbox.say("users worse", root="users broke")
    outbox.edit("users broke", "users broken, day 2")
    assert outbox.deliver().waiting == 0
    assert outbox.row("users worse").slack_channel == "preview"
    assert outbox.shown() == ["orders worse", "users broke"]


def test_another_deliverer_of_the_same_ledger_takes_up_what_the_first_left(outbox: Outbox) -> None:
    outbox.say("orders broke")
    outbox.slack.fault("chat.postMessage", Fault.dropped(accepts=True))
    outbox.deliver()
    outbox.transport = transport_to(outbox.slack)
    outbox.recover()
    assert outbox.shown() == ["orders broke"]
