"""A message must look as Slack takes it: the fake refuses what Slack would, with its codes."""

from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.slack.calls import Block, refusal, rich, section
from tests.slack.fake import FakeSlack

BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x.test", "action_id": "a"}
HEADER = {"type": "header", "text": {"type": "plain_text", "text": "h" * 150, "emoji": True}}
ITEM = {"type": "rich_text_section", "elements": [{"type": "text", "text": "x", "style": {"bold": True}}]}


@pytest.mark.parametrize(
    "blocks",
    [
        [section("x" * 3000, block_id="b" * 255), section(accessory=BUTTON)],
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 700, "verbatim": True}] * 10}],
        [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2000}]}],
        [HEADER, {"type": "divider"}],
        [{"type": "divider"}] * 50,
        [{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 10}],
        [{"type": "actions", "elements": [BUTTON]}],
        [{"type": "image", "image_url": "https://x.test/a.png", "alt_text": "a"}],
        [
            rich(
                {"type": "text", "text": " "}, {"type": "link", "url": "https://x.test"}, {"type": "emoji", "name": "x"}
            )
        ],
        [rich({"type": "text", "text": "x"}, kind="rich_text_preformatted")],
        [{"type": "rich_text", "elements": [{"type": "rich_text_list", "style": "bullet", "elements": [ITEM]}]}],
        [section("x" * 2900)] * 4,
    ],
)
def test_blocks_within_slacks_limits_are_accepted(client: WebClient, blocks: list[Block]) -> None:
    assert client.chat_postMessage(channel="alerts", text="x", blocks=blocks)["ok"]


@pytest.mark.parametrize(
    ("blocks", "code"),
    [
        ([section("x" * 3001)], "invalid_blocks"),
        ([section("")], "invalid_blocks"),
        ([section(" \n")], "invalid_blocks"),
        ([{"type": "section"}], "invalid_blocks"),
        ([section(colour="red")], "invalid_blocks"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}] * 11}], "invalid_blocks"),
        ([{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}], "invalid_blocks"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "h" * 151}}], "invalid_blocks"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "h"}}], "invalid_blocks"),
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "context", "elements": [{"type": "mrkdwn", "text": "x"}] * 11}], "invalid_blocks"),
        ([{"type": "context", "elements": []}], "invalid_blocks"),
        ([section(block_id="b" * 256)], "invalid_blocks"),
        ([section(block_id="b")] * 2, "invalid_blocks"),
        ([{"type": "actions", "elements": [BUTTON, BUTTON]}], "invalid_blocks"),
        ([section(accessory=BUTTON | {"url": "https://" + "x" * 3000})], "invalid_blocks"),
        ([section(accessory=BUTTON | {"text": {"type": "plain_text", "text": "x" * 76}})], "invalid_blocks"),
        ([{"type": "image", "image_url": "https://x.test/a.png"}], "invalid_blocks"),
        ([rich()], "invalid_blocks"),
        ([rich({"type": "text", "text": ""})], "invalid_blocks"),
        ([rich({"type": "text", "text": "x", "style": {"loud": True}})], "invalid_blocks"),
        ([rich({"type": "link", "text": "x"})], "invalid_blocks"),
        ([rich({"type": "user", "user_id": "U1"}, kind="rich_text_preformatted")], "invalid_blocks"),
        ([{"type": "marquee"}], "invalid_blocks"),
        (["x"], "invalid_blocks"),
        ({"type": "divider"}, "invalid_blocks_format"),
        ([section("x" * 3000)] * 4 + [section("x" * 600)], "msg_blocks_too_long"),
        ([section("x" * 200)] * 45, "msg_blocks_too_long"),
        ([rich({"type": "text", "text": "&" * 2600})], "msg_blocks_too_long"),
    ],
)
def test_blocks_beyond_slacks_limits_are_refused(
    slack: FakeSlack, client: WebClient, blocks: list[Any], code: str
) -> None:
    assert refusal(client.chat_postMessage, channel="alerts", text="x", blocks=blocks) == code
    assert slack.all_messages() == []


def test_a_refusal_says_where(client: WebClient) -> None:
    with pytest.raises(SlackApiError, match=r"3001 characters .*/blocks/1/text/text"):
        client.chat_postMessage(channel="alerts", text="x", blocks=[section(), section("x" * 3001)])


def test_text_has_limits_of_its_own(client: WebClient) -> None:
    assert client.chat_postMessage(channel="alerts", text="x" * 40_000)["ok"]
    assert refusal(client.chat_postMessage, channel="alerts", text="x" * 40_001) == "msg_too_long"
    assert refusal(client.api_call, api_method="chat.postMessage", json={"channel": "alerts"}) == "no_text"


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"event_type": "a"}, "invalid_metadata_schema"),
        ({"event_type": "", "event_payload": {}}, "invalid_metadata_schema"),
        ({"event_type": "a", "event_payload": {"deep": {"er": 1}}}, "invalid_metadata_schema"),
        ({"event_type": "a", "event_payload": {"nothing": None}}, "invalid_metadata_schema"),
        ("{", "invalid_metadata_format"),
    ],
)
def test_metadata_is_a_type_and_a_flat_payload(client: WebClient, metadata: Any, code: str) -> None:
    assert refusal(client.chat_postMessage, channel="alerts", text="x", metadata=metadata) == code
