"""The fake Slack is as strict as Slack, remembers what it accepted, and fails in every way it was asked to."""

import itertools
import time
from http.client import RemoteDisconnected
from typing import Any
from urllib.error import URLError

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.slack.calls import client_of, refusal, rich, section
from tests.slack.fake import ANY_METHOD, BURST, FakeSlack, Fault, links, pings


def channel_id(slack: FakeSlack) -> str:
    return slack.channels["alerts"].id


def texts(slack: FakeSlack) -> list[str]:
    return [message.text for message in slack.messages("alerts")]


# Who may do what


def test_auth_test_names_the_bot_and_its_scopes(client: WebClient) -> None:
    response = client.auth_test()
    assert response["bot_id"]
    assert response["team"] == "Greenery Test"
    assert "chat:write" in response.headers["X-OAuth-Scopes"].split(",")


def test_a_wrong_token_and_none_are_told_apart(slack: FakeSlack) -> None:
    assert refusal(client_of(slack, "xoxb-other").auth_test) == "invalid_auth"
    bare = WebClient(base_url=slack.url, retry_handlers=[])
    assert refusal(bare.auth_test) == "not_authed"


@pytest.mark.parametrize(
    ("scope", "method", "arguments"),
    [
        ("chat:write", "chat.postMessage", {"text": "hi"}),
        ("chat:write", "chat.update", {"text": "hi", "ts": "1.0"}),
        ("channels:history", "conversations.history", {}),
        ("channels:history", "conversations.replies", {"ts": "1.0"}),
    ],
)
def test_a_missing_scope_is_named(
    slack: FakeSlack, client: WebClient, scope: str, method: str, arguments: dict[str, str]
) -> None:
    slack.scopes.remove(scope)
    with pytest.raises(SlackApiError) as error:
        client.api_call(method, json={"channel": channel_id(slack), **arguments})
    assert error.value.response["error"] == "missing_scope"
    assert error.value.response["needed"] == scope
    assert scope not in error.value.response["provided"].split(",")


def test_private_channels_need_scopes_of_their_own(slack: FakeSlack, client: WebClient) -> None:
    private = slack.add_channel("board", private=True)
    slack.scopes -= {"groups:history", "groups:read"}
    assert refusal(client.conversations_history, channel=private.id) == "missing_scope"
    assert refusal(client.conversations_list, types="public_channel,private_channel") == "missing_scope"
    private.is_member = False
    assert refusal(client.chat_postMessage, channel=private.id, text="hi") == "channel_not_found"


def test_unknown_methods_and_arguments_are_refused(slack: FakeSlack, client: WebClient) -> None:
    assert refusal(client.api_call, api_method="chat.shout") == "unknown_method"
    assert refusal(client.chat_postMessage, channel="alerts", text="x", icon_emoji=":x:") == "invalid_arguments"
    assert refusal(client.chat_postMessage, channel="alerts", text="x", parse="full") == "invalid_arguments"
    assert [request.method for request in slack.requests] == ["chat.shout", "chat.postMessage", "chat.postMessage"]


# Posting


def test_a_message_is_kept_as_it_was_posted(slack: FakeSlack, client: WebClient) -> None:
    metadata = {"event_type": "alert", "event_payload": {"delivery": "7"}}
    response = client.chat_postMessage(channel="#alerts", text="Ünïcode 🌱", blocks=[section()], metadata=metadata)
    [message] = slack.messages("alerts")
    assert (message.ts, message.channel) == (response["ts"], channel_id(slack)) == (message.ts, response["channel"])
    assert (message.text, message.blocks, message.metadata) == ("Ünïcode 🌱", [section()], metadata)


@pytest.mark.parametrize("channel", ["alerts", "#alerts", None])
def test_posting_takes_a_name_or_an_id(slack: FakeSlack, client: WebClient, channel: str | None) -> None:
    client.chat_postMessage(channel=channel or channel_id(slack), text="hi")
    assert texts(slack) == ["hi"]


def test_everything_else_takes_only_an_id(client: WebClient) -> None:
    assert refusal(client.conversations_history, channel="alerts") == "channel_not_found"
    assert refusal(client.chat_update, channel="#alerts", ts="1.0", text="x") == "channel_not_found"


def test_a_form_with_blocks_as_a_string_is_understood(slack: FakeSlack, client: WebClient) -> None:
    blocks = '[{"type": "divider"}]'
    client.api_call("chat.postMessage", params={"channel": "alerts", "text": "a", "blocks": blocks})
    assert slack.messages("alerts")[0].blocks == [{"type": "divider"}]
    broken = {"channel": "alerts", "blocks": "[{"}
    assert refusal(client.api_call, api_method="chat.postMessage", params=broken) == "invalid_blocks_format"


def test_channels_can_be_closed_to_the_bot(slack: FakeSlack, client: WebClient) -> None:
    channel = slack.channels["alerts"]
    channel.is_member = False
    assert refusal(client.chat_postMessage, channel="alerts", text="x") == "not_in_channel"
    assert refusal(client.conversations_history, channel=channel.id) == "not_in_channel"
    channel.is_archived = True
    assert refusal(client.chat_postMessage, channel="alerts", text="x") == "is_archived"
    assert refusal(client.chat_update, channel=channel.id, ts="1.0", text="x") == "is_inactive"
    del slack.channels["alerts"]
    assert refusal(client.chat_postMessage, channel=channel.id, text="x") == "channel_not_found"


def test_replies_are_in_the_thread_and_not_in_the_channel(slack: FakeSlack, client: WebClient) -> None:
    parent = client.chat_postMessage(channel="alerts", text="parent")["ts"]
    reply = client.chat_postMessage(channel="alerts", text="reply", thread_ts=parent)["ts"]
    client.chat_postMessage(channel="alerts", text="loud", thread_ts=parent, reply_broadcast=True)
    assert texts(slack) == ["parent"]
    assert [(one.text, one.broadcast) for one in slack.thread("alerts", parent)] == [("reply", False), ("loud", True)]
    assert len(slack.all_messages()) == 3
    history = client.conversations_history(channel=channel_id(slack))
    assert [one["text"] for one in history["messages"]] == ["loud", "parent"]
    assert refusal(client.chat_postMessage, channel="alerts", text="x", thread_ts="1.0") == "thread_not_found"
    assert refusal(client.chat_postMessage, channel="alerts", text="x", thread_ts=reply) == "thread_not_found"


def test_an_update_replaces_the_content_and_keeps_what_was_there(slack: FakeSlack, client: WebClient) -> None:
    metadata = {"event_type": "alert", "event_payload": {"delivery": "7"}}
    ts = client.chat_postMessage(channel="alerts", text="one", blocks=[section("one")], metadata=metadata)["ts"]
    client.chat_update(channel=channel_id(slack), ts=ts, text="two", blocks=[section("two")])
    client.chat_update(channel=channel_id(slack), ts=ts, text="three")
    [message] = slack.messages("alerts")
    assert (message.text, message.blocks, message.metadata, message.edits) == ("three", [], metadata, 2)
    assert message.history == (("one", [section("one")]), ("two", [section("two")]))


def test_only_the_bots_own_messages_can_be_updated(slack: FakeSlack, client: WebClient) -> None:
    theirs = slack.say("alerts", "mine")
    update = {"channel": channel_id(slack), "text": "x"}
    assert refusal(client.chat_update, ts=theirs.ts, **update) == "cant_update_message"
    assert refusal(client.chat_update, ts="1.0", **update) == "message_not_found"
    ts = client.chat_postMessage(channel="alerts", text="x")["ts"]
    assert refusal(client.chat_update, channel=update["channel"], ts=ts, text="x" * 4001) == "msg_too_long"


# Looking up


def test_history_is_paged_newest_first_and_newer_messages_shift_nothing(slack: FakeSlack, client: WebClient) -> None:
    for number in range(5):
        slack.say("alerts", str(number))
    pages = []
    for page in client.conversations_history(channel=channel_id(slack), limit=2):
        pages.append([one["text"] for one in page["messages"]])
        slack.say("alerts", "newer")
    assert pages == [["4", "3"], ["2", "1"], ["0"]]
    slack.page_limit = 1
    assert len(client.conversations_history(channel=channel_id(slack), limit=100)["messages"]) == 1
    assert refusal(client.conversations_history, channel=channel_id(slack), cursor="bogus") == "invalid_cursor"


def test_history_is_limited_by_time(slack: FakeSlack, client: WebClient) -> None:
    one, two, three = (slack.say("alerts", text).ts for text in ("1", "2", "3"))

    def between(**limits: Any) -> str:
        found = client.conversations_history(channel=channel_id(slack), **limits)["messages"]
        return "".join(message["text"] for message in found)

    assert between(oldest=one) == "32"
    assert between(oldest=one, latest=three) == "2"
    assert between(oldest=two, inclusive=True) == "32"
    assert between(latest=two, inclusive=True) == "21"
    assert between(oldest=str(int(time.time()) + 100)) == ""
    assert refusal(between, oldest="yesterday") == "invalid_ts_oldest"


def test_metadata_is_given_only_when_asked_for(slack: FakeSlack, client: WebClient) -> None:
    metadata = {"event_type": "alert", "event_payload": {"delivery": "7"}}
    ts = client.chat_postMessage(channel="alerts", text="x", metadata=metadata)["ts"]
    for look in (client.conversations_history, client.conversations_replies):
        where = {"channel": channel_id(slack)} | ({"ts": ts} if look == client.conversations_replies else {})
        assert "metadata" not in look(**where)["messages"][0]
        assert look(**where, include_all_metadata=True)["messages"][0]["metadata"] == metadata


def test_a_thread_is_paged_in_order_after_its_parent(slack: FakeSlack, client: WebClient) -> None:
    parent = slack.say("alerts", "parent").ts
    for number in range(3):
        slack.say("alerts", str(number), thread_ts=parent)
    pages = client.conversations_replies(channel=channel_id(slack), ts=parent, limit=2)
    assert [[one["text"] for one in page["messages"]] for page in pages] == [["parent", "0", "1"], ["parent", "2"]]
    assert refusal(client.conversations_replies, channel=channel_id(slack), ts="1.0") == "thread_not_found"


def test_channels_are_listed_by_page_and_kind(slack: FakeSlack, client: WebClient) -> None:
    slack.add_channel("other", member=False)
    slack.add_channel("old").is_archived = True
    slack.add_channel("board", private=True)
    slack.add_channel("hidden", private=True, member=False)

    def listed(**options: Any) -> list[str]:
        pages = client.conversations_list(limit=2, **options)
        return [channel["name"] for page in pages for channel in page["channels"]]

    assert listed() == ["alerts", "other", "old"]
    assert listed(exclude_archived=True) == ["alerts", "other"]
    assert listed(types="public_channel,private_channel") == ["alerts", "other", "old", "board"]


# What a message does to its readers


def test_pings_are_found_wherever_slack_would_see_them(slack: FakeSlack, client: WebClient) -> None:
    blocks = [
        section("<!here> &lt;!channel&gt;"),
        {"type": "header", "text": {"type": "plain_text", "text": "<!channel>"}},
        rich(
            {"type": "text", "text": "<@U999>"},
            {"type": "user", "user_id": "U2"},
            {"type": "broadcast", "range": "here"},
        ),
        rich({"type": "usergroup", "usergroup_id": "S2"}),
    ]
    client.chat_postMessage(channel="alerts", text="<@U1|ann> <!subteam^S1> <!everyone>", blocks=blocks)
    named = ["<@U1>", "<!subteam^S1>", "<!everyone>", "<!here>", "<@U2>", "<!here>", "<!subteam^S2>"]
    assert pings(slack.messages("alerts")[0]) == named


def test_links_are_found_marked_or_bare(slack: FakeSlack, client: WebClient) -> None:
    blocks = [
        section("<https://a.test|a> http://b.test"),
        {"type": "section", "text": {"type": "mrkdwn", "text": "https://c.test <https://d.test>", "verbatim": True}},
        {"type": "header", "text": {"type": "plain_text", "text": "https://e.test"}},
        rich({"type": "link", "url": "https://f.test"}, {"type": "text", "text": "https://g.test"}),
    ]
    client.chat_postMessage(channel="alerts", text="https://h.test", parse="none", blocks=blocks)
    client.chat_postMessage(channel="alerts", text="https://h.test")
    first, second = slack.messages("alerts")
    assert links(first) == ["https://a.test", "http://b.test", "https://d.test", "https://f.test"]
    assert links(second) == ["https://h.test"]


# What can go wrong


def test_an_api_error_comes_as_often_as_asked(slack: FakeSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", Fault.error("token_revoked"), times=2)
    assert refusal(client.chat_postMessage, channel="alerts", text="1") == "token_revoked"
    client.auth_test()
    assert refusal(client.chat_postMessage, channel="alerts", text="2") == "token_revoked"
    client.chat_postMessage(channel="alerts", text="3")
    assert texts(slack) == ["3"]


def test_an_api_error_carries_its_fields_and_may_follow_acceptance(slack: FakeSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", Fault.error("missing_scope", needed="chat:write", provided="none"))
    slack.fault("chat.postMessage", Fault.error("internal_error", accepts=True))
    with pytest.raises(SlackApiError) as error:
        client.chat_postMessage(channel="alerts", text="lost")
    assert (error.value.response["needed"], error.value.response["provided"]) == ("chat:write", "none")
    assert refusal(client.chat_postMessage, channel="alerts", text="kept") == "internal_error"
    assert texts(slack) == ["kept"]


def test_a_fault_may_last_until_it_is_cleared(slack: FakeSlack, client: WebClient) -> None:
    slack.fault(ANY_METHOD, Fault.http(503), times=None)
    for call in (client.auth_test, client.conversations_list):
        with pytest.raises(SlackApiError) as error:
            call()
        assert error.value.response.status_code == 503
    slack.clear_faults()
    assert client.auth_test()["ok"]


def test_too_many_requests_say_when_to_come_back(slack: FakeSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", Fault.rate_limited(7))
    with pytest.raises(SlackApiError) as error:
        client.chat_postMessage(channel="alerts", text="x")
    assert error.value.response.status_code == 429
    assert error.value.response.headers["Retry-After"] == "7"
    assert error.value.response["error"] == "ratelimited"


def test_the_rate_limit_allows_a_burst_in_each_channel(slack: FakeSlack, client: WebClient) -> None:
    slack.add_channel("other")
    slack.rate_limit = True
    for _ in range(BURST):
        client.chat_postMessage(channel="alerts", text="x")
    assert refusal(client.chat_postMessage, channel="alerts", text="x") == "ratelimited"
    client.chat_postMessage(channel="other", text="x")
    assert len(texts(slack)) == BURST


@pytest.mark.parametrize("accepts", [True, False])
def test_a_connection_can_be_dropped_before_and_after_acceptance(
    slack: FakeSlack, client: WebClient, accepts: bool
) -> None:
    slack.fault("chat.postMessage", Fault.dropped(accepts))
    with pytest.raises(RemoteDisconnected):
        client.chat_postMessage(channel="alerts", text="x")
    assert texts(slack) == (["x"] if accepts else [])


@pytest.mark.parametrize("accepts", [True, False])
def test_an_answer_may_be_no_json(slack: FakeSlack, client: WebClient, accepts: bool) -> None:
    slack.fault("chat.postMessage", Fault.garbage(accepts))
    assert "non-JSON" in refusal(client.chat_postMessage, channel="alerts", text="x")
    assert texts(slack) == (["x"] if accepts else [])


@pytest.mark.parametrize(("fault", "kept"), [(Fault.late(1.5), ["x"]), (Fault.dropped(after=1.5), [])])
def test_a_request_nobody_waits_for_may_be_accepted_late_or_never(
    slack: FakeSlack, fault: Fault, kept: list[str]
) -> None:
    slack.fault("chat.postMessage", fault)
    with pytest.raises(TimeoutError):
        client_of(slack, timeout=1).chat_postMessage(channel="alerts", text="x")
    assert texts(slack) == []
    time.sleep(1)
    assert texts(slack) == kept


def test_a_patient_client_gets_a_late_answer(slack: FakeSlack, client: WebClient) -> None:
    slack.fault("chat.postMessage", Fault.late(0.1))
    assert client.chat_postMessage(channel="alerts", text="x")["ts"] == slack.messages("alerts")[0].ts


def test_an_answer_may_trickle_so_that_no_read_ever_times_out(slack: FakeSlack) -> None:
    slack.fault("auth.test", Fault.trickling(0.01))
    began = time.monotonic()
    assert client_of(slack, timeout=1).auth_test()["user"] == "greenery"
    assert time.monotonic() - began > 1


def test_closing_ends_hanging_requests_at_once_and_accepts_nothing() -> None:
    with FakeSlack() as slack:
        slack.add_channel("alerts")
        slack.fault("chat.postMessage", Fault.late(60))
        with pytest.raises(TimeoutError):
            client_of(slack, timeout=1).chat_postMessage(channel="alerts", text="x")
        leaving = time.monotonic()
    assert time.monotonic() - leaving < 10
    assert texts(slack) == []


def test_it_can_be_gone_and_come_back_with_everything_remembered(slack: FakeSlack, client: WebClient) -> None:
    client.chat_postMessage(channel="alerts", text="before")
    url = slack.url
    slack.stop_listening()
    with pytest.raises(URLError, match="refused"):
        client.chat_postMessage(channel="alerts", text="between")
    slack.listen_again()
    client.chat_postMessage(channel="alerts", text="after")
    assert (slack.url, texts(slack)) == (url, ["before", "after"])
    assert [request.method for request in slack.requests] == ["chat.postMessage"] * 2


def test_messages_posted_at_once_have_different_times(slack: FakeSlack) -> None:
    times = [slack.say("alerts", "x").ts for _ in range(50)]
    assert all(one < other for one, other in itertools.pairwise(times))
