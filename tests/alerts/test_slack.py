"""Slack's refusals in plain words: what is wrong, what to do, and what it means for the messages that wait."""

import logging
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.client import IncompleteRead
from pathlib import Path
from threading import Event
from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk import WebClient

from greenery_assets.alerts import blocks
from greenery_assets.alerts import slack as slack_module
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.notify import (
    AccessRefusedError,
    ChannelRefusedError,
    ContentRefusedError,
    DeliveryError,
    MaybeDeliveredError,
    RateLimitedError,
    Receipt,
    ThreadGoneError,
    UnreachableError,
)
from greenery_assets.alerts.slack import (
    ACCESS,
    CHANNEL,
    CONTENT,
    GONE,
    LIMITED,
    TROUBLE,
    SlackTransport,
    slack_client,
    words_of,
)
from tests.alerts.outbox import ALERTS, DAILY
from tests.alerts.projects import PROJECT
from tests.alerts.shop import HAPPENS, transport_to
from tests.slack.fake import ANY_METHOD, Answer, FakeSlack, Fault

HELLO = Message("Hello.", ())
WORDS = {"channel": ALERTS, "needed": None, **words_of(PROJECT)}
CODES: list[tuple[str, type[DeliveryError], str]] = [
    *((code, AccessRefusedError, words.format(**WORDS)) for code, words in ACCESS.items()),
    *((code, ChannelRefusedError, words.format(**WORDS)) for code, words in CHANNEL.items()),
    *(
        (code, ContentRefusedError, f"does not take a message for {ALERTS} as it is ({code})")
        for code in sorted(CONTENT)
    ),
    *((code, ThreadGoneError, "was deleted") for code in sorted(GONE)),
    *((code, RateLimitedError, "takes no more messages for 30 s") for code in sorted(LIMITED)),
    *((code, MaybeDeliveredError, f"Slack has trouble ({code}); it is tried again.") for code in sorted(TROUBLE)),
    ("restricted_action_read_only_channel", ChannelRefusedError, f"Only some people may post in {ALERTS}."),
    ("never_heard_of", ChannelRefusedError, f"Slack refuses what is for {ALERTS} (never_heard_of)"),
]
ANSWERS: list[tuple[Answer, type[DeliveryError], str]] = [
    (Answer("<html>Server Error</html>", 500), MaybeDeliveredError, "Slack has trouble (HTTP 500)"),
    (Answer("", 503), MaybeDeliveredError, "Slack has trouble (HTTP 503)"),
    (Answer("<html>Sign in</html>"), MaybeDeliveredError, "a proxy or a sign-in page"),
    (Answer("<html>Sign in</html>"), MaybeDeliveredError, "and at GREENERY_SLACK_API_URL if it is set. It is tried"),
    (Answer(""), MaybeDeliveredError, "Something else than Slack answered (HTTP 200)"),
    (Answer("<html>Blocked</html>", 403), MaybeDeliveredError, "Something else than Slack answered (HTTP 403)"),
    (Answer("null"), MaybeDeliveredError, "Something else than Slack answered"),
    (Answer("[1]"), MaybeDeliveredError, "The connection to Slack broke"),
    (Answer("", 429, {"Retry-After": "7"}), RateLimitedError, "for 7 s"),
    (Answer("", 429, {"retry-after": "7"}), RateLimitedError, "for 7 s"),
    (Answer("", 429), RateLimitedError, "for 30 s"),
    (Answer("", 429, {"Retry-After": "86400"}), RateLimitedError, "for 300 s"),
    (Answer("", 429, {"Retry-After": "9" * 5000}), RateLimitedError, "for 300 s"),
    (Answer("", 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), RateLimitedError, "for 30 s"),
]
BROKEN: list[tuple[Exception, type[DeliveryError], str]] = [
    (URLError(ConnectionRefusedError(111, "Connection refused")), UnreachableError, "Slack cannot be reached"),
    (URLError(socket.gaierror(-3, "no such name")), UnreachableError, "Look at this machine's network"),
    (URLError(TimeoutError("timed out")), MaybeDeliveredError, "The connection to Slack broke (timed out)"),
    (TimeoutError("timed out"), MaybeDeliveredError, "Slack did not answer within"),
    (ConnectionResetError(), MaybeDeliveredError, "The connection to Slack broke (ConnectionResetError"),
    (IncompleteRead(b""), MaybeDeliveredError, "The connection to Slack broke (IncompleteRead"),
]


@pytest.fixture
def transport(slack: FakeSlack) -> SlackTransport:
    return transport_to(slack)


def post(transport: SlackTransport, channel: str = ALERTS, delivery_id: str = "1") -> Receipt:
    return transport.post(channel, HELLO, delivery_id, None, is_broadcast=False)


def refusal_of(transport: SlackTransport, channel: str = ALERTS) -> DeliveryError:
    with pytest.raises(DeliveryError) as raised:
        post(transport, channel)
    return raised.value


@pytest.mark.parametrize(("code", "kind", "words"), CODES, ids=[code for code, _, _ in CODES])
def test_each_refusal_has_its_words(
    slack: FakeSlack, transport: SlackTransport, code: str, kind: type[DeliveryError], words: str
) -> None:
    slack.fault("chat.postMessage", Fault.error(code))
    refusal = refusal_of(transport)
    assert type(refusal) is kind
    assert words in str(refusal)


@pytest.mark.parametrize(("answer", "kind", "words"), ANSWERS, ids=[f"{a.status} {a.body[:9]}" for a, _, _ in ANSWERS])
def test_answers_that_are_not_slacks_have_words_too(
    slack: FakeSlack, transport: SlackTransport, answer: Answer, kind: type[DeliveryError], words: str
) -> None:
    slack.fault("chat.postMessage", Fault(answer=answer))
    refusal = refusal_of(transport)
    assert type(refusal) is kind
    assert words in str(refusal)
    # What somebody else's server wrote is not passed on.
    assert "html" not in str(refusal)


@pytest.mark.parametrize(("error", "kind", "words"), BROKEN, ids=[repr(error) for error, _, _ in BROKEN])
def test_broken_connections_have_words_too(
    monkeypatch: pytest.MonkeyPatch, transport: SlackTransport, error: Exception, kind: type[DeliveryError], words: str
) -> None:
    def breaks(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(WebClient, "api_call", breaks)
    refusal = refusal_of(transport)
    assert type(refusal) is kind
    assert words in str(refusal)


def test_a_server_that_is_not_there_cannot_have_taken_anything(slack: FakeSlack, transport: SlackTransport) -> None:
    slack.stop_listening()
    refusal = refusal_of(transport)
    assert type(refusal) is UnreachableError
    assert not refusal.may_have_arrived


def test_a_name_server_that_hangs_holds_nothing_up_for_longer_than_the_time_out(
    transport: SlackTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = Event()
    monkeypatch.setattr(slack_module, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: never.wait(30) and [])
    began = time.monotonic()
    assert type(refusal_of(transport)) is UnreachableError
    assert time.monotonic() - began < 10
    never.set()


def test_addresses_that_take_no_connection_are_not_each_waited_for(
    slack: FakeSlack, transport: SlackTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def times_out(*_: Any, timeout: float, **__: Any) -> None:
        time.sleep(3 * timeout)
        raise TimeoutError

    monkeypatch.setattr(slack_module, "TIMEOUT_S", 0.1)
    monkeypatch.setattr(socket, "create_connection", times_out)
    refusal = refusal_of(transport)
    assert type(refusal) is UnreachableError
    assert "Slack cannot be reached (it does not answer)." in str(refusal)
    assert slack.requests == []


def test_behind_a_proxy_slack_itself_is_not_tried(
    slack: FakeSlack, transport: SlackTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setattr(SlackTransport, "_reach", lambda _: pytest.fail("It was tried."))
    assert post(transport).channel == slack.channels["data-alerts"].id


def test_a_server_that_hangs_is_left_after_the_time_out(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(slack_module, "TIMEOUT_S", 0.5)
    caplog.set_level(logging.DEBUG)
    slack.fault("conversations.list", Fault.dropped(after=2))
    refusal = refusal_of(transport_to(slack))
    assert type(refusal) is MaybeDeliveredError
    assert "Slack did not answer within 0.5 s" in str(refusal)
    # Nothing of slack_sdk's own, which would repeat it and quote headers.
    assert caplog.text == ""


@pytest.mark.parametrize("method", ["conversations.list", "chat.postMessage"])
def test_a_server_whose_answer_trickles_is_left_after_the_time_out(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(slack_module, "TIMEOUT_S", 0.5)
    slack.fault(method, Fault.trickling(0.05))
    began = time.monotonic()
    refusal = refusal_of(transport_to(slack))
    assert type(refusal) is MaybeDeliveredError
    assert f"Slack did not answer within 0.5 s ({method})" in str(refusal)
    assert time.monotonic() - began < 5


def test_a_step_ends_in_time_however_many_slow_requests_it_takes_and_the_next_goes_on_from_there(
    slack: FakeSlack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A tenth of the real ones.
    for module, name in ((slack_module, "TIMEOUT_S"), (slack_module, "KEPT_FOR_MESSAGE_S")):
        monkeypatch.setattr(module, name, 0.5)
    monkeypatch.setattr(slack_module, "LONGEST_STEP_S", 1.0)
    monkeypatch.setattr(slack_module, "LONGEST_UPLOAD_S", 0.4)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"PNG")
    name = blocks.picture_name(picture, datetime.fromtimestamp(0, UTC))
    pictured = Message("Hello.", ({"type": "image", "slack_file": {"id": name}, "alt_text": "A picture."},))
    slack.page_limit = 1
    slack.fault(ANY_METHOD, Fault.late(0.3), times=None)
    transport = transport_to(slack, picture)
    receipts: list[Receipt] = []
    for _ in range(5):
        began = time.monotonic()
        with suppress(DeliveryError):
            receipts.append(transport.post(DAILY, pictured, "1", None, is_broadcast=False))
        assert time.monotonic() - began < 1.0 + 1.0
        if receipts:
            break
    assert receipts


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("xoxb-of-somebody-else", "Slack does not know the token in GREENERY_SLACK_TOKEN."),
        ("xoxb-cut-short…", "The connection to Slack broke (UnicodeEncodeError"),
    ],
)
def test_a_wrong_token_is_told_without_it(slack: FakeSlack, token: str, words: str) -> None:
    refusal = refusal_of(SlackTransport(slack_client(token, slack.url), PROJECT, HAPPENS))
    assert words in str(refusal)
    assert "xoxb-" not in str(refusal)


@pytest.mark.parametrize("scope", ["chat:write", "channels:read", "groups:read"])
def test_the_scope_that_is_missing_is_named(slack: FakeSlack, transport: SlackTransport, scope: str) -> None:
    slack.scopes.discard(scope)
    assert f"lacks the scope {scope}." in str(refusal_of(transport))


def test_a_channel_that_is_not_listed_is_refused_by_its_name(transport: SlackTransport) -> None:
    refusal = refusal_of(transport, "#nowhere")
    assert type(refusal) is ChannelRefusedError
    assert "Slack has no channel #nowhere that the app can see." in str(refusal)


def test_a_channel_may_be_named_by_its_id_and_is_looked_up_once_by_its_name(
    slack: FakeSlack, transport: SlackTransport
) -> None:
    channel = slack.channels["data-alerts"].id
    assert post(transport, channel).channel == channel
    assert [request.method for request in slack.requests] == ["chat.postMessage"]
    assert {post(transport).channel, post(transport).channel} == {channel}
    assert sum(request.method == "conversations.list" for request in slack.requests) == 1


def test_a_channel_is_found_on_any_page_of_the_list(slack: FakeSlack, transport: SlackTransport) -> None:
    slack.page_limit = 2
    wanted = [slack.add_channel(f"more-{number}") for number in range(5)][-1]
    assert transport.channel_id("#more-4") == wanted.id


def test_a_message_is_found_by_its_delivery_id_in_the_channel_or_in_its_thread(
    slack: FakeSlack, transport: SlackTransport
) -> None:
    began = datetime.now(UTC)
    root = post(transport, delivery_id="root")
    reply = transport.post(ALERTS, HELLO, "reply", root, is_broadcast=False)
    slack.say("data-alerts", "I see.")
    assert transport.find(ALERTS, "root", None, began) == root
    assert transport.find(ALERTS, "reply", root, began) == reply
    assert transport.find(ALERTS, "reply", None, began) is None
    assert transport.find(ALERTS, "root", None, began + timedelta(hours=1)) is None


def test_nothing_that_is_posted_pings_or_unfurls_by_accident(slack: FakeSlack, transport: SlackTransport) -> None:
    post(transport)
    assert slack.messages("data-alerts")[0].parse == "none"
