"""Where messages go while no token for Slack is set: the log, and a page to look at."""

import logging
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from greenery_assets.alerts import blocks
from greenery_assets.alerts.ledger import Ledger, message_of
from greenery_assets.alerts.messages import SAMPLE, Message
from greenery_assets.alerts.notify import PREVIEW, Receipt
from greenery_assets.alerts.project import Project

MARKUP = re.compile(
    r"<(?P<url>https?://[^|>\s]+)\|(?P<words>[^>]*)>"
    r"|<@(?P<user>[A-Z0-9]+)>"
    r"|<!subteam\^(?P<group>[A-Z0-9]+)>"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)"
    r"|:(?P<emoji>[a-z_]+):"
)
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class PreviewPost:
    """A message as it would stand in a channel, with its thread; `sent_at` is shown in its own time zone."""

    channel: str
    message: Message
    sent_at: datetime
    replies: tuple["PreviewPost", ...] = ()


@dataclass(frozen=True)
class Span:
    """A run of text that looks alike: text, bold, code, emoji (by name), mention or link (to `url`)."""

    kind: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class Part:
    """A block, or a line of one, as the page draws it: header, section, context, line, preformatted or picture.

    A picture has its name, and what it shows in words.
    """

    kind: str
    paragraphs: tuple[tuple[Span, ...], ...] = ()
    picture: str = ""
    words: str = ""


def render_preview(
    posts: Sequence[PreviewPost],
    project: Project,
    pictures: Mapping[str, bytes] | None = None,
    *,
    is_sample: bool = False,
) -> str:
    """One self-contained HTML page: a chapter for each channel, its newest message last, as Slack has it.

    `pictures` are PNGs by the name that messages show them under; one that is not there is not shown.
    """
    channels: dict[str, list[PreviewPost]] = {}
    for post in sorted(posts, key=lambda each: each.sent_at):
        channels.setdefault(post.channel, []).append(post)
    urls = {name: f"data:image/png;base64,{b64encode(png).decode()}" for name, png in (pictures or {}).items()}
    return _TEMPLATES.get_template("preview.html").render(
        title=f"{project.sender} alerts{f': {SAMPLE}' if is_sample else ''}",
        sender=project.sender,
        token=project.setting("SLACK_TOKEN"),
        channels=channels,
        parts=parts,
        pictures=urls,
    )


def parts(message: Message) -> list[Part]:
    """What a message shows, block by block; its text where it has no blocks."""
    if not message.blocks:
        return [Part("section", (tuple(_mrkdwn(message.text)),))]
    return [part for block in message.blocks for part in _parts(block)]


def _parts(block: Mapping[str, Any]) -> Iterator[Part]:
    match block["type"]:
        case "header":
            yield Part("header", (tuple(_shortcodes(block["text"]["text"])),))
        case "section":
            yield Part("section", (tuple(_mrkdwn(block["text"]["text"])),))
        case "context":
            yield Part("context", tuple(tuple(_mrkdwn(each["text"])) for each in block["elements"]))
        case "image":
            yield Part("picture", picture=block["slack_file"]["id"], words=block["alt_text"])
        case "rich_text":
            for element in block["elements"]:
                is_fixed = element["type"] == "rich_text_preformatted"
                yield Part("preformatted" if is_fixed else "line", (tuple(_rich(element["elements"])),))


def _mrkdwn(text: str) -> Iterator[Span]:
    end = 0
    for found in MARKUP.finditer(text):
        if found.start() > end:
            yield Span("text", _unescaped(text[end : found.start()]))
        end = found.end()
        value = _unescaped(found[found.lastgroup or 0])
        match found.lastgroup:
            case "words":
                yield Span("link", value, _unescaped(found["url"]))
            case "user" | "group":
                yield Span("mention", value)
            case kind:
                yield Span(str(kind), value)
    if end < len(text):
        yield Span("text", _unescaped(text[end:]))


def _shortcodes(text: str) -> Iterator[Span]:
    for n, piece in enumerate(re.split(r":([a-z_]+):", text)):
        if piece:
            yield Span("emoji" if n % 2 else "text", piece)


def _rich(elements: Iterable[Mapping[str, Any]]) -> Iterator[Span]:
    for element in elements:
        match element["type"]:
            case "text":
                style = element.get("style", {})
                kind = next((name for name in ("code", "bold") if style.get(name)), "text")
                yield Span(kind, element["text"])
            case "emoji":
                yield Span("emoji", element["name"])
            case "user" | "usergroup":
                yield Span("mention", element.get("user_id") or element["usergroup_id"])


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


SHOWN_MESSAGES = 200


class LogTransport:
    """Writes messages to the log; the page is drawn from the ledger, which has them all."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def post(
        self,
        channel: str,
        message: Message,
        delivery_id: str,
        thread: Receipt | None,
        *,
        is_broadcast: bool,  # noqa: ARG002  both are in sight on the page
    ) -> Receipt:
        """Log a message."""
        self._log.info("%s %s%s", channel, "(in a thread) " if thread else "", message.text)
        return Receipt(PREVIEW, delivery_id)

    def edit(self, posted: Receipt, message: Message) -> Receipt:  # noqa: ARG002  the page shows the newest content
        """Nothing to do: what happened is logged as a message of its own."""
        return posted

    def find(
        self,
        channel: str,  # noqa: ARG002
        delivery_id: str,  # noqa: ARG002
        thread: Receipt | None,  # noqa: ARG002
        since: datetime,  # noqa: ARG002
    ) -> Receipt | None:
        """Nothing is ever lost on the way."""
        return None

    def has(self, receipt: Receipt) -> bool:
        """Whether a message was written here, before a token was set or after it was taken away."""
        return receipt.channel == PREVIEW


def write_preview(ledger: Ledger, path: Path, project: Project, *, is_sample: bool = False) -> None:
    """Draw the newest messages, with their threads and as edited, as one page. Raises OSError."""
    with ledger.transaction() as book:
        sent = book.sent(SHOWN_MESSAGES)
        edited = book.newest_edits(row.delivery_id for row in sent)
    replies: dict[str, list[PreviewPost]] = {}
    for row in sent:
        if row.root:
            replies.setdefault(row.root, []).append(PreviewPost(row.channel, message_of(row), row.sent_at))
    posts = [
        PreviewPost(
            row.channel,
            message_of(edited.get(row.delivery_id, row)),
            row.sent_at,
            tuple(replies.get(row.delivery_id, ())),
        )
        for row in sent
        if not row.root
    ]
    names = {blocks.picture_in(post.message.blocks) for post in posts} - {""}
    file = project.picture
    found = {name: content for name in names if file and (content := blocks.read_picture(file, name))}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_preview(posts, project, found, is_sample=is_sample), encoding="utf-8")
