"""Where messages go while no token for Slack is set: the log, and a page to look at."""

import logging
import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from greenery_assets.alerts import blocks
from greenery_assets.alerts.ledger import Ledger, message_of
from greenery_assets.alerts.messages import SAMPLE, Message
from greenery_assets.alerts.notify import PREVIEW, Receipt
from greenery_assets.alerts.project import Project

SHOWN_MESSAGES = 200
MARKUP = re.compile(
    r"<(?P<url>https?://[^|>\s]+)\|(?P<words>[^>]*)>"
    r"|<(?:@|!subteam\^)(?P<mention>[A-Z0-9]+)>"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<!\w)\*(?P<bold>[^*\n]+)\*(?!\w)"
    r"|:(?P<emoji>[a-z_]+):"
)
SHORTCODE = re.compile(r":(?P<emoji>[a-z_]+):")
# How each piece looks; what is put in is escaped.
LOOKS = {
    "text": Markup("{}"),
    "bold": Markup("<b>{}</b>"),
    "code": Markup("<code>{}</code>"),
    "mention": Markup('<span class="mention">@{}</span>'),
    "words": Markup('<a href="{url}" rel="noreferrer">{}</a>'),
    "emoji": Markup(":{}:"),
}
MARKS = {
    blocks.ERROR: "stop sign",
    blocks.WARNING: "warning sign",
    blocks.RESOLVED: "check mark",
    blocks.LATE: "hourglass",
}
MARK = Markup('<svg class="mark {0}" role="img" aria-label="{1}"><use href="#{0}"/></svg>')
PICTURE = Markup('<img class="picture" src="data:image/png;base64,{}" alt="{}">')
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
    replies: Sequence["PreviewPost"] = ()


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
    return _TEMPLATES.get_template("preview.html").render(
        title=f"{project.sender} alerts{f': {SAMPLE}' if is_sample else ''}",
        sender=project.sender,
        token=project.setting("SLACK_TOKEN"),
        channels=channels,
        shown=lambda message: _shown(message, pictures or {}),
    )


def _shown(message: Message, pictures: Mapping[str, bytes]) -> Markup:
    found = message.blocks or (blocks.section(message.text),)
    return Markup("\n").join(part for block in found for part in _parts(block, pictures))


def _parts(block: blocks.Block, pictures: Mapping[str, bytes]) -> Iterator[Markup]:
    match kind := block["type"]:
        case "header":
            yield _part(kind, _formatted(block["text"]["text"], SHORTCODE))
        case "section":
            yield _part(kind, _mrkdwn(block["text"]["text"]))
        case "context":
            for each in block["elements"]:
                yield _part(kind, _mrkdwn(each["text"]))
        case "image" if (name := block["slack_file"]["id"]) in pictures:
            yield PICTURE.format(b64encode(pictures[name]).decode(), block["alt_text"])
        case "rich_text":
            for element in block["elements"]:
                is_fixed = element["type"] == "rich_text_preformatted"
                said = Markup("").join(map(_element, element["elements"]))
                yield Markup("<pre>{}</pre>").format(said) if is_fixed else _part("line", said)


def _part(kind: str, said: Markup) -> Markup:
    return Markup('<div class="{}">{}</div>').format(kind, said)


def _element(element: blocks.Element) -> Markup:
    match element["type"]:
        case "text":
            style = element.get("style", {})
            return LOOKS[next((name for name in ("code", "bold") if style.get(name)), "text")].format(element["text"])
        case "emoji":
            return _emoji(element["name"])
    return LOOKS["mention"].format(element.get("user_id") or element["usergroup_id"])


def _mrkdwn(text: str) -> Markup:
    return _formatted(text, MARKUP, unescape)


def _formatted(text: str, markup: re.Pattern[str], meant: Callable[[str], str] = str) -> Markup:
    """Text with what Slack formats in it formatted; `meant` undoes the escapes of a piece."""
    said, end = Markup(""), 0
    for piece in markup.finditer(text):
        kind = piece.lastgroup or ""
        value, url = meant(piece[kind]), meant(piece["url"]) if kind == "words" else ""
        said += escape(meant(text[end : piece.start()]))
        said += _emoji(value) if kind == "emoji" else LOOKS[kind].format(value, url=url)
        end = piece.end()
    return said + escape(meant(text[end:]))


def _emoji(name: str) -> Markup:
    return MARK.format(name, MARKS[name]) if name in MARKS else LOOKS["emoji"].format(name)


class LogTransport:
    """Writes messages to the log; the page is drawn from the ledger, which has them all."""

    is_preview = True

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    def post(self, channel: str, message: Message, delivery_id: str, thread: Receipt | None, **_: object) -> Receipt:
        self._log.info("%s %s%s", channel, "(in a thread) " if thread else "", message.text)
        return Receipt(PREVIEW, delivery_id)

    def edit(self, posted: Receipt, *_: object, **__: object) -> Receipt:
        """Nothing to do: what happened is logged as a message of its own, and the page shows the newest content."""
        return posted

    def find(self, *_: object, **__: object) -> None:
        """Nothing is ever lost on the way."""


def write_preview(ledger: Ledger, project: Project, *, is_sample: bool) -> None:
    """Draw the newest messages, with their threads and as edited, as the project's preview. Raises OSError."""
    with ledger.transaction() as book:
        sent = book.sent(SHOWN_MESSAGES)
        edited = book.newest_edits(row.delivery_id for row in sent)
    replies: dict[str, list[PreviewPost]] = defaultdict(list)
    for row in sent:
        if row.root:
            replies[row.root].append(PreviewPost(row.channel, message_of(row), row.sent_at))
    posts = [
        PreviewPost(row.channel, message_of(edited.get(row.delivery_id, row)), row.sent_at, replies[row.delivery_id])
        for row in sent
        if not row.root
    ]
    names = {blocks.picture_in(post.message.blocks) for post in posts} - {""}
    file = project.picture
    found = {name: content for name in names if file and (content := blocks.read_picture(file, name))}
    project.preview.parent.mkdir(parents=True, exist_ok=True)
    project.preview.write_text(render_preview(posts, project, found, is_sample=is_sample), encoding="utf-8")
