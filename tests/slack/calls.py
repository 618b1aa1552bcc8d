"""Calls of the fake Slack, and the blocks that are sent with them."""

from collections.abc import Callable
from typing import Any

import pytest
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from tests.slack.fake import FakeSlack

Block = dict[str, Any]


def client_of(slack: FakeSlack, token: str | None = None, timeout: int = 5) -> WebClient:
    """A client that tries once."""
    return WebClient(token or slack.token, base_url=slack.url, retry_handlers=[], timeout=timeout)


def refusal(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code of a call that is refused."""
    with pytest.raises(SlackApiError) as error:
        call(**arguments)
    return str(error.value.response["error"])


def section(text: str = "x", **more: Any) -> Block:
    """A paragraph."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}, **more}


def rich(*inline: Block, kind: str = "rich_text_section") -> Block:
    """Formatted text."""
    return {"type": "rich_text", "elements": [{"type": kind, "elements": list(inline)}]}
