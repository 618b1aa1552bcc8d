"""Messages as a page to look at, where no token for Slack is set: roughly what Slack would show.

Pure. Which messages there are is the ledger's to know; the page's looks are in templates/preview.html, which
escapes whatever it is given.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from greenery_assets.alerts.messages import Message

TITLE = "Greenery data alerts"
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
    posts: Sequence[PreviewPost], title: str = TITLE, pictures: Mapping[str, bytes] | None = None
) -> str:
    """One self-contained HTML page: a chapter for each channel, its newest message last, as Slack has it.

    `pictures` are PNGs by the name that messages show them under; one that is not there is not shown.
    """
    channels: dict[str, list[PreviewPost]] = {}
    for post in sorted(posts, key=lambda each: each.sent_at):
        channels.setdefault(post.channel, []).append(post)
    urls = {name: f"data:image/png;base64,{b64encode(png).decode()}" for name, png in (pictures or {}).items()}
    return _TEMPLATES.get_template("preview.html").render(title=title, channels=channels, parts=parts, pictures=urls)


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
