"""A message in the fake Slack as people see it: its content, whom it notifies, what it links to."""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.slack.limits import parts

PING = re.compile(r"<(!(?:channel|here|everyone)|@[UW]\w+|!subteam\^S\w+)(?:\|[^<>]*)?>")
LINK = re.compile(r"<(https?://[^<>|\s]+)(?:\|[^<>]*)?>")
BARE_LINK = re.compile(r"https?://[^\s<>|]+")


@dataclass(frozen=True)
class Posted:
    """A message as it stands now; `history` holds its former texts and blocks, oldest first."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread_ts: str | None = None
    broadcast: bool = False
    parse: str = ""
    history: tuple[tuple[str, list[dict[str, Any]]], ...] = ()

    @property
    def edits(self) -> int:
        """How often it was updated."""
        return len(self.history)


def pings(message: Posted) -> list[str]:
    """Whom a message would notify, as <!channel>, <@U…> and the like."""
    found = [text for text, _ in _formatted(message)]
    named = [f"<{match[1]}>" for text in found for match in PING.finditer(text)]
    for part in parts(message.blocks):
        match part:
            case {"type": "user", "user_id": user}:
                named.append(f"<@{user}>")
            case {"type": "usergroup", "usergroup_id": group}:
                named.append(f"<!subteam^{group}>")
            case {"type": "broadcast", "range": whom}:
                named.append(f"<!{whom}>")
    return named


def links(message: Posted) -> list[str]:
    """The addresses that Slack would make a link of, whether marked as one or found by Slack itself."""
    found = []
    for text, is_verbatim in _formatted(message):
        found += LINK.findall(text)
        if not is_verbatim:
            found += BARE_LINK.findall(LINK.sub(" ", text))
    return found + [part["url"] for part in parts(message.blocks) if part.get("type") == "link"]


def _formatted(message: Posted) -> list[tuple[str, bool]]:
    """Every text that Slack formats, and whether it leaves bare addresses in it alone."""
    marked = [part for part in parts(message.blocks) if part.get("type") == "mrkdwn"]
    inner = [(part["text"], part.get("verbatim") is True) for part in marked]
    return [(message.text, message.parse == "none"), *inner]
