"""Block Kit's pieces, what Slack accepts of each, and how values become safe text.

Two kinds of text never mix. Our own words, and the project's, are mrkdwn: escaped and verbatim. Whatever comes
from data is literal: cleaned, cut, and put only into rich text, where Slack interprets nothing. What a message
says is the business of messages and digest.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

Block = Mapping[str, Any]
Element = Mapping[str, Any]

# Slack takes 50 blocks, 3,000 characters a section, 150 a header; in all about 13,000, and each block costs 100 more.
LONGEST_HEADER = 150
LONGEST_SECTION = 2_900
LONGEST_TEXT = 2_900
FULLEST_MESSAGE = 11_600
LONGEST_URL = 700
LONGEST_CHANNEL_NAME = 80

LONGEST_CELL = 40
LONGEST_REASON = 600
LONGEST_NAME = 60
# What a laptop shows of preformatted text before it wraps, and the columns no longer stand in line.
WIDEST_TABLE = 100
MOST_ROWS = 10

ERROR, WARNING, RESOLVED, LATE = "octagonal_sign", "warning", "white_check_mark", "hourglass"
ZERO_WIDTH_JOINER = "\u200d"
EMPTY = "(empty)"
FIGURE = re.compile(r"[-+<>]?\d[\d,.]*( [a-z% ]+)?")
_LOOK_ALIKES = str.maketrans({"*": "\u2217", "`": "'", "~": "\u223c"})
_SPECIAL_COLON = re.compile(rf":(?!(?:{ERROR}|{WARNING}|{RESOLVED}|{LATE}):)(?=//|[a-z][a-z0-9_+-]*:)")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def escaped(text: str, limit: int = LONGEST_SECTION) -> str:
    """The project's own text for mrkdwn: controls out, & < > escaped, at most `limit` characters once escaped."""
    clean = _clean(text)
    kept = _fitting(clean, limit)
    if kept < len(clean):
        kept = _fitting(clean, limit - len(_rest(len(clean))))
    return _escape(clean[:kept]) + _rest(len(clean) - kept)


def literal(value: str, limit: int) -> str:
    """A value from data as plain characters on one line: the first `limit`, and how many more there are.

    & < > count as what Slack keeps for them, as in its own budgets.
    """
    clean = _clean(value)
    kept = _fitting(clean, limit)
    return clean[:kept] + _rest(len(clean) - kept) or EMPTY


def header(text: str) -> Block:
    """A headline in our own words; emoji shortcodes are shown, nothing else is interpreted."""
    shown = _clean(text)
    if _fitting(shown, LONGEST_HEADER) < len(shown):
        shown = literal(shown, LONGEST_HEADER - len(_rest(len(shown))))
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": True}}


def section(mrkdwn: str) -> Block:
    """A paragraph of mrkdwn, its parts escaped already, of at most LONGEST_SECTION characters."""
    return {"type": "section", "text": _mrkdwn(mrkdwn)}


def paragraph(lines_of_mrkdwn: Sequence[str]) -> list[Block]:
    """A section of these lines; none where there are none."""
    return [section("\n".join(lines_of_mrkdwn))] if lines_of_mrkdwn else []


def context(mrkdwn: str) -> Block:
    """Small print: mrkdwn, its parts escaped already."""
    return {"type": "context", "elements": [_mrkdwn(mrkdwn)]}


def picture(name: str, words: str) -> Block:
    """A picture and what it shows in words. Its name is of its content: a message keeps the one it was written with."""
    return {"type": "image", "slack_file": {"id": name}, "alt_text": words}


def picture_name(file: Path, since: datetime) -> str:
    """The name of a picture by its content; empty where there is none that was drawn since a time."""
    try:
        return _content_name(file.read_bytes()) if file.stat().st_mtime >= since.timestamp() else ""
    except OSError:
        return ""


def read_picture(file: Path, name: str) -> bytes | None:
    """The picture of that name, if it is still there."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    return content if _content_name(content) == name else None


def picture_in(blocks: Iterable[Block]) -> str:
    return next((str(block["slack_file"]["id"]) for block in blocks if block["type"] == "image"), "")


def _content_name(content: bytes) -> str:
    return sha256(content).hexdigest()[:24]


def is_channel(name: str) -> bool:
    """Whether Slack could have a channel of this "#name" (small letters of any script) or id."""
    letters = name.removeprefix("#")
    return re.fullmatch(r"[CG][A-Z0-9]{8,}", name) is not None or (
        name.startswith("#")
        and 1 <= len(letters) <= LONGEST_CHANNEL_NAME
        and letters == letters.lower()
        and all(letter in "-_" or unicodedata.category(letter)[0] in "LMN" for letter in letters)
    )


def text(value: str, *, bold: bool = False, code: bool = False) -> Element:
    """Literal characters in rich text; they must not be empty."""
    style = {name: True for name, wanted in (("bold", bold), ("code", code)) if wanted}
    return {"type": "text", "text": value, **({"style": style} if style else {})}


def emoji(name: str) -> Element:
    return {"type": "emoji", "name": name}


def lines(*each: Sequence[Element]) -> Block:
    """Rich text, one line for each sequence of elements."""
    elements = [{"type": "rich_text_section", "elements": list(line)} for line in each]
    return {"type": "rich_text", "elements": elements}


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Block:
    """Rows of literal values, aligned, figures to the right; columns and rows that do not fit are counted.

    Of a UUID its first part is shown: it keeps rows apart, and the table of all failing rows has the rest.
    """
    shown = [columns, *rows[:MOST_ROWS]]
    cells = [[literal(_short(value), LONGEST_CELL) if value else "" for value in row] for row in shown]
    widths = [max(len(value) for value in column) for column in zip(*cells, strict=True)]
    kept = 1
    while kept < len(widths) and sum(widths[: kept + 1]) + 2 * kept <= WIDEST_TABLE:
        kept += 1
    is_figure = [all(FIGURE.fullmatch(row[n]) or not row[n] for row in cells[1:]) for n in range(kept)]
    lines = [
        "  ".join(
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(row, widths, is_figure, strict=False)
        ).rstrip()
        for row in cells
    ]
    left = ((len(rows) + 1 - len(shown), "more row"), (len(widths) - kept, "more column"))
    lines += [f"({counted(number, noun)})" for number, noun in left if number]
    shown_as = {"type": "rich_text_preformatted", "elements": [text("\n".join(lines).rstrip() or EMPTY)]}
    return {"type": "rich_text", "elements": [shown_as]}


def _short(value: str) -> str:
    return f"{value[:8]}…" if UUID.fullmatch(value) else value


def mention(slack_id: str) -> str:
    """The mrkdwn that notifies a user (U…, W…) or a user group (S…); nothing for what is no such id."""
    if not re.fullmatch(r"[USW][A-Z0-9]{1,30}", slack_id):
        return ""
    return f"<!subteam^{slack_id}>" if slack_id.startswith("S") else f"<@{slack_id}>"


def mention_element(slack_id: str) -> Element | None:
    if not mention(slack_id):
        return None
    is_group = slack_id.startswith("S")
    return {"type": "usergroup", "usergroup_id": slack_id} if is_group else {"type": "user", "user_id": slack_id}


def link(base: str, path: str, words: str) -> str:
    """The mrkdwn of a link, its words our own; nothing where the address is too long or is none."""
    url = _escape(_clean(base).rstrip("/") + path)
    if len(url) > LONGEST_URL or not re.fullmatch(r"https?://[^\s|]+", url):
        return ""
    return f"<{url}|{words}>"


def quoted(part: str) -> str:
    """A part of an address, its slashes kept."""
    return quote(part.encode("utf-8", "replace"), safe="/")


def listed(
    items: Sequence[str], most: int, *, limit: int = LONGEST_SECTION, joint: str = "\n", more: str = "more"
) -> str:
    """Up to `most` items within `limit` characters, and a count of the others."""
    room = limit - len(joint) - len(f"{len(items):,} {more}")
    kept = used = 0
    for item in items[:most]:
        used += len(item) + len(joint)
        if used > room:
            break
        kept += 1
    rest = [f"{len(items) - kept:,} {more}"] if kept < len(items) else []
    return joint.join([*items[:kept], *rest])


def packed(lines_of_text: Iterable[Sequence[Element]], room: int = FULLEST_MESSAGE) -> list[list[Block]]:
    """Lines in order, each whole, as the blocks of as few messages of `room` characters as hold them."""
    pages: list[list[list[Sequence[Element]]]] = []
    for line in lines_of_text:
        filled = [sum(map(_length, block)) for block in pages[-1]] if pages else []
        if not pages or sum(filled) + _length(line) > room:
            pages.append([[]])
        elif filled[-1] + _length(line) > LONGEST_SECTION:
            pages[-1].append([])
        pages[-1][-1].append(line)
    return [[lines(*block) for block in page] for page in pages]


def fitting(lines_of_text: Sequence[Sequence[Element]], room: int, most: int) -> tuple[list[Block], int]:
    """The first lines, at most `most`, as the blocks that `room` characters hold, and how many lines are left."""
    page = packed(lines_of_text[:most], room)[0]
    return page, len(lines_of_text) - sum(len(block["elements"]) for block in page)


def _length(line: Sequence[Element]) -> int:
    """Its characters once escaped, an emoji or a mention counted as a word."""
    return sum(len(_escape(each.get("text", "a mention"))) for each in line) + 1


def as_text(shown: Iterable[Block]) -> str:
    """What blocks say, but for tables and pictures, as mrkdwn in which no value from data does anything."""
    said = [line for block in shown for line in _as_lines(block)]
    return listed(said, len(said), limit=LONGEST_TEXT)


def _as_lines(block: Block) -> Iterator[str]:
    match block["type"]:
        case "header":
            yield _inert(block["text"]["text"])
        case "section":
            yield from block["text"]["text"].split("\n")
        case "context":
            yield from (each["text"] for each in block["elements"])
        case "rich_text":
            for line in block["elements"]:
                if line["type"] == "rich_text_section":
                    yield "".join(map(_as_mrkdwn, line["elements"]))


def _as_mrkdwn(element: Element) -> str:
    match element["type"]:
        case "emoji":
            return f":{element['name']}:"
        case "user" | "usergroup":
            return mention(element.get("user_id") or element["usergroup_id"])
    return _inert(element["text"])


def _inert(value: str) -> str:
    """Literal characters for mrkdwn: what Slack would take for a format, a link or an emoji becomes a look-alike."""
    return _escape(_SPECIAL_COLON.sub("\u2236", value.translate(_LOOK_ALIKES)))


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 row", "3,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share_in_words(part: int, whole: int) -> str:
    """A share that is neither rounded to nothing nor to all: "10.4 %", "<0.1 %"."""
    per_cent = part / whole * 100
    if 0 < per_cent < 0.1:
        return "<0.1 %"
    return ">99.9 %" if 99.9 < per_cent < 100 else f"{per_cent:.1f} %"


def duration_in_words(duration: timedelta) -> str:
    """How long, in its two largest units up to days: "2 h 5 min", "3 days"; never negative."""
    minutes = max(int(duration / timedelta(minutes=1)), 0)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return counted(days, "day") + (f" {hours} h" if hours and days < 3 else "")
    if hours:
        return f"{hours} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{minutes} min" if minutes else "less than a minute"


def _mrkdwn(value: str) -> Mapping[str, Any]:
    return {"type": "mrkdwn", "text": value, "verbatim": True}


def _clean(value: str) -> str:
    """On one line, without controls, invisible formats (they can turn text around) and broken characters."""
    kept = (
        character
        for character in " ".join(value.split())
        if unicodedata.category(character) not in {"Cc", "Cf", "Cs"} or character == ZERO_WIDTH_JOINER
    )
    return "".join(kept).strip(f" {ZERO_WIDTH_JOINER}")


def _escape(value: str) -> str:
    return escape(value, quote=False)


def _fitting(value: str, limit: int) -> int:
    """How many of the first characters fit within `limit` once escaped."""
    return sum(used <= limit for used in accumulate(len(_escape(character)) for character in value[:limit]))


def _rest(characters: int) -> str:
    return f"… (+{characters:,} characters)" if characters else ""
