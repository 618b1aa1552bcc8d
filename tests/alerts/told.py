"""Incidents to be told, what a message says when it is read, and what Slack takes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from greenery_assets.alerts.incidents import (
    Finding,
    Incident,
    Kind,
    MartState,
    Outcome,
    Sample,
    Severity,
    Subject,
    Transition,
)
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.wording import Reader

OPENED_AT = datetime(2026, 11, 22, 6, 5, tzinfo=UTC)
YESTERDAY = datetime(2026, 11, 21, 6, 4, tzinfo=UTC)
OWNER, OTHER_OWNER = "data-platform@greenery.example", "marketing-analytics@greenery.example"
MENTIONS = {OWNER: "U0DATA", OTHER_OWNER: "S0MARKETING"}
READER = Reader(ZoneInfo("UTC"), "http://dagster.example", MENTIONS, daily_job="daily_job")
STALE = (
    MartState("marketing/fact_repeat_rate", False, YESTERDAY),
    MartState("core/fact_orders", False, YESTERDAY),
)
# What change_messages tells.
IN_THREADS = [kind for kind in Kind if not kind.starts_thread]
NASTY = [
    "<!channel>",
    "<@U123>",
    "*bold*",
    "`code`",
    "https://evil.example/x",
    "y" * 10_000,
    "\U0001f331 :tada:",
    "\u202eabc \u05e9\u05dc\u05d5\u05dd\u2069",
    "one\ntwo\r\n\x00three",
    "",
    "   ",
    "\u200b",
    "</pre><script>alert(1)</script>",
]


def incident(
    asset: str = "staging/stg_events", name: str = "order_has_at_most_one_checkout", **changed: Any
) -> Incident:
    """An open ERROR incident; fields of the finding and of the incident may be given."""
    subject = changed.pop("subject", Subject(asset, name))
    of_finding = {field: changed.pop(field) for field in list(changed) if field in Finding.__dataclass_fields__}
    finding = Finding(
        **{
            "subject": subject,
            "outcome": Outcome.FAILED,
            "severity": Severity.ERROR,
            "statement": "An order has at most one checkout event.",
            "owner": OWNER,
            "assumption": "A03",
            "why": "Conversion would count the order twice.",
            "remedy": "Drop the copy at the source.",
            "reason": "Orders were checked out twice.",
            "failing_rows": 312,
            "rows_checked": 3000,
            "kept_in": "quality.order_has_at_most_one_checkout",
            "sample": Sample(("order_id", "total"), (("o1", "7.50"), ("o2", "12.00"))),
            **of_finding,
        }
    )
    return Incident(
        **{
            "subject": subject,
            "episode": 1,
            "opened_at": OPENED_AT,
            "opened_by_run": "run-1",
            "finding": finding,
            "last_run": "run-1",
            "announced": finding,
            "marts": STALE,
            "held_back": 41,
            **changed,
        }
    )


def resolved(of: Incident, after: timedelta = timedelta(hours=2, minutes=5)) -> Incident:
    return replace(of, resolved_at=of.opened_at + after, resolved_by_run="run-2")


def retired(of: Incident) -> Incident:
    """Closed by no run: its check is gone."""
    return replace(resolved(of), resolved_by_run="")


def job(name: str = "daily_job", **changed: Any) -> Incident:
    of_a_run = {
        "statement": "Every run ends well and evaluates all of its checks.",
        "reason": "The folder has no orders.csv.",
        "failing_rows": 64,
        **dict.fromkeys(["owner", "kept_in"], ""),
    }
    return incident(subject=Subject("", name), rows_checked=None, sample=Sample(), **{**of_a_run, **changed})


def texts(message: Message, of: str = "") -> Iterator[str]:
    """Every text in the blocks, or those of one type of text object."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, Mapping):
            if isinstance(node.get("text"), str) and of in {"", node["type"]}:
                yield node["text"]
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list | tuple):
            for value in node:
                yield from walk(value)

    return walk(message.blocks)


def shown(message: Message) -> str:
    """All that a message shows, as one text."""
    return " ".join(texts(message)).replace("*", "")


def title(message: Message) -> str:
    return next(texts(message, "plain_text"))


def mentions(message: Message) -> list[str]:
    """Every id that Slack would notify because of a message's blocks."""
    found = re.findall(r"<(?:@|!subteam\^|!)(\w+)>", " ".join(texts(message, "mrkdwn")))
    return found + re.findall(r'"(?:user_id|usergroup_id)": "(\w+)"', json.dumps(message.blocks))


def assert_slack_takes(message: Message) -> None:
    """The budgets, and the separation of our words from data."""
    assert 1 <= len(message.blocks) <= 50
    assert 0 < len(message.text) < 3000
    assert sum(len(text) for text in texts(message)) < 12_000
    # Slack keeps text escaped, and each block costs it about a hundred characters more.
    size = sum(len(escape(text, quote=False)) for of in ("text", "plain_text") for text in texts(message, of))
    size += sum(len(text) for text in texts(message, "mrkdwn")) + 100 * len(message.blocks)
    assert size < 13_000
    for block in message.blocks:
        assert block["type"] in {"header", "section", "context", "rich_text"}
    assert all(len(text) <= 150 for text in texts(message, "plain_text"))
    assert all(len(text) <= 3000 for text in texts(message))
    assert all(text.strip() for text in texts(message))
    assert json.dumps(message.blocks).count('"mrkdwn"') == json.dumps(message.blocks).count('"verbatim": true')
    outside_links = [
        re.sub(r"<(https?://[^>]*|@U0DATA|!subteam\^S0MARKETING)>", "", text) for text in texts(message, "mrkdwn")
    ]
    assert not any("<" in text or ">" in text for text in outside_links)
    json.dumps(message.blocks, ensure_ascii=False).encode()
    message.text.encode()


def happened(kind: Kind, before_rows: int = 312, rows: int = 400, **changed: Any) -> Transition:
    of = incident(failing_rows=rows, **changed)
    before = replace(of.finding, failing_rows=before_rows)
    return Transition(kind, of, OPENED_AT + timedelta(days=2), before=before)
