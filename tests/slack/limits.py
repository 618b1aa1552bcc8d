"""What Slack accepts as a message: text, blocks and metadata, by the limits Slack documents.

Pure. Where Slack documents nothing, or people measured something else, the stricter reading holds: what passes
here should pass at Slack. Block types that this project has no use for are refused. Channels, threads and
tokens are fake's business.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

TEXT_LIMIT = 40_000
UPDATED_TEXT_LIMIT = 4_000
BLOCK_LIMIT = 50

# Slack documents neither number. Measured by others: 13,200 characters are too many, and each header block costs
# about 100 more than its text (bolt-js issues 2509 and 2867: 11,341 characters in 45 blocks were refused).
TOTAL_LIMIT = 13_000
COST_OF_A_BLOCK = 100

STYLES = {"bold", "italic", "strike", "underline", "code"}
RICH_INLINE = {
    "text": {"text", "style"},
    "link": {"url", "text", "style", "unsafe"},
    "emoji": {"name", "unicode", "skin_tone"},
    "user": {"user_id", "style"},
    "usergroup": {"usergroup_id", "style"},
    "channel": {"channel_id", "style"},
    "broadcast": {"range", "style"},
}


class RefusedError(Exception):
    """Slack's answer to a request it does not accept: an error code, what it is about, and further fields."""

    def __init__(self, code: str, detail: str = "", **fields: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.fields = fields


def check_message(text: Any, blocks: Any, metadata: Any, text_limit: int = TEXT_LIMIT) -> None:
    """Refuse what Slack would refuse. Characters are counted as Python counts them."""
    if not isinstance(text, str):
        raise RefusedError("invalid_arguments", "text is not a string")
    if not text.strip() and not blocks:
        raise RefusedError("no_text")
    # chat.update refuses longer text; chat.postMessage would cut it off silently, which must not pass either.
    if len(text) > text_limit:
        raise RefusedError("msg_too_long", f"{len(text)} characters")
    _check_blocks(blocks)
    _check_metadata(metadata)


def parts(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object within blocks, however deep."""
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from parts(inner)


def _check_metadata(metadata: Any) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, Mapping):
        raise RefusedError("invalid_metadata_format")
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    is_flat = isinstance(payload, Mapping) and all(isinstance(value, str | int | float) for value in payload.values())
    if set(metadata) != {"event_type", "event_payload"} or not isinstance(event_type, str) or not event_type:
        raise RefusedError("invalid_metadata_schema", "event_type and event_payload are wanted, and nothing else")
    if not is_flat:
        raise RefusedError("invalid_metadata_schema", "event_payload is not a flat object")


def _check_blocks(blocks: Any) -> None:
    if not isinstance(blocks, list):
        raise RefusedError("invalid_blocks_format")
    _want(len(blocks) <= BLOCK_LIMIT, f"no more than {BLOCK_LIMIT} items allowed", "/blocks")
    ids = [block["block_id"] for block in blocks if isinstance(block, Mapping) and "block_id" in block]
    _want(len(ids) == len({str(one) for one in ids}), "block_id is not unique", "/blocks")
    for index, block in enumerate(blocks):
        at = f"/blocks/{index}"
        check = _one_of(BLOCKS, block, at)
        if "block_id" in block:
            _check_string(block["block_id"], 255, f"{at}/block_id")
        check({key: value for key, value in block.items() if key != "block_id"}, at)
    size = COST_OF_A_BLOCK * len(blocks) + sum(_size(part) for part in parts(blocks))
    if size > TOTAL_LIMIT:
        raise RefusedError("msg_blocks_too_long", f"{size} characters, {COST_OF_A_BLOCK} for each block included")


def _size(part: Mapping[str, Any]) -> int:
    text = part.get("text")
    if not isinstance(text, str):
        return 0
    # Slack keeps text escaped; mrkdwn comes escaped already.
    escaped = 0 if part.get("type") == "mrkdwn" else 4 * text.count("&") + 3 * (text.count("<") + text.count(">"))
    return len(text) + escaped


def _section(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, {"text", "fields", "accessory", "expand"}, at)
    _want("text" in block or "fields" in block, "text or fields is missing", at)
    if "text" in block:
        _check_text(block["text"], 3000, f"{at}/text")
    if "fields" in block:
        for field, where in _items(block, "fields", 10, at):
            _check_text(field, 2000, where)
    if "accessory" in block:
        _one_of(ACCESSORIES, block["accessory"], f"{at}/accessory")(block["accessory"], f"{at}/accessory")


def _header(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, {"text"}, at)
    _check_text(block.get("text"), 150, f"{at}/text", ("plain_text",))


def _context(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, {"elements"}, at)
    for element, where in _items(block, "elements", 10, at):
        if isinstance(element, Mapping) and element.get("type") == "image":
            _image(element, where)
        else:
            _check_text(element, 3000, where)


def _divider(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, set(), at)


def _image(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, {"image_url", "slack_file", "alt_text", "title"}, at)
    _want(("image_url" in block) != ("slack_file" in block), "either image_url or slack_file is wanted", at)
    if "image_url" in block:
        _check_string(block["image_url"], 3000, f"{at}/image_url")
    else:
        file = block["slack_file"]
        is_file = isinstance(file, Mapping) and set(file) == {"id"} and re.fullmatch(r"F[A-Z0-9]{8,}", str(file["id"]))
        _want(bool(is_file), "input must match regex pattern: ^[F][A-Z0-9]{8,}$", f"{at}/slack_file/id")
    _check_string(block.get("alt_text"), 2000, f"{at}/alt_text")
    if "title" in block:
        _check_text(block["title"], 2000, f"{at}/title", ("plain_text",))


def _actions(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, {"elements"}, at)
    elements = _items(block, "elements", 25, at)
    for element, where in elements:
        _one_of({"button": _button}, element, where)(element, where)
    ids = [element["action_id"] for element, _ in elements if "action_id" in element]
    _want(len(ids) == len(set(ids)), "action_id is not unique", at)


def _button(element: Mapping[str, Any], at: str) -> None:
    _check_keys(element, {"text", "url", "action_id", "value", "style", "accessibility_label"}, at)
    _check_text(element.get("text"), 75, f"{at}/text", ("plain_text",))
    for name, limit in {"url": 3000, "action_id": 255, "value": 2000, "accessibility_label": 75}.items():
        if name in element:
            _check_string(element[name], limit, f"{at}/{name}")
    _want(element.get("style", "primary") in {"primary", "danger"}, "unknown style", at)


def _rich_text(block: Mapping[str, Any], at: str) -> None:
    _check_keys(block, {"elements"}, at)
    for element, where in _items(block, "elements", None, at):
        _one_of(RICH_TEXT, element, where)(element, where)


def _rich_section(element: Mapping[str, Any], at: str) -> None:
    _check_keys(element, {"elements", "border"}, at)
    for inline, where in _items(element, "elements", None, at):
        _inline(inline, where)


def _rich_preformatted(element: Mapping[str, Any], at: str) -> None:
    _rich_section(element, at)
    for inline, where in _items(element, "elements", None, at):
        _want(inline["type"] in {"text", "link"}, f"{inline['type']} is not allowed in preformatted text", where)


def _rich_list(element: Mapping[str, Any], at: str) -> None:
    _check_keys(element, {"elements", "style", "indent", "offset", "border"}, at)
    _want(element.get("style") in {"bullet", "ordered"}, "unknown style", at)
    for item, where in _items(element, "elements", None, at):
        _one_of({"rich_text_section": _rich_section}, item, where)(item, where)


def _inline(inline: Any, at: str) -> None:
    keys = _one_of(RICH_INLINE, inline, at)
    _check_keys(inline, keys, at)
    for name in keys - {"style", "unsafe", "skin_tone"}:
        if name in inline:
            _want(
                isinstance(inline[name], str) and inline[name] != "", "must be more than 0 characters", f"{at}/{name}"
            )
    needed = {"text": "text", "link": "url", "emoji": "name", "broadcast": "range"}
    needs = needed.get(inline["type"], f"{inline['type']}_id")
    _want(needs in inline, f"{needs} is missing", at)
    style = inline.get("style", {})
    is_style = isinstance(style, Mapping) and set(style) <= STYLES
    _want(is_style and all(isinstance(value, bool) for value in style.values()), "unknown style", at)


def _check_text(value: Any, limit: int, at: str, types: Collection[str] = ("mrkdwn", "plain_text")) -> None:
    kind = value.get("type") if isinstance(value, Mapping) else None
    _want(kind in types, f"a text object of {' or '.join(types)} is wanted", at)
    _check_keys(value, {"text", "emoji" if kind == "plain_text" else "verbatim"}, at)
    _check_string(value.get("text"), limit, f"{at}/text")


def _check_string(value: Any, limit: int, at: str) -> None:
    _want(isinstance(value, str) and value.strip() != "", "must be more than 0 characters", at)
    _want(len(value) <= limit, f"must be less than {limit + 1} characters", at)


def _check_keys(value: Mapping[str, Any], keys: set[str], at: str) -> None:
    _want(set(value) <= keys | {"type"}, f"invalid additional property: {set(value) - keys - {'type'}}", at)


def _items(block: Mapping[str, Any], name: str, limit: int | None, at: str) -> list[tuple[Any, str]]:
    values = block.get(name)
    _want(isinstance(values, list) and values != [], "at least one item is wanted", f"{at}/{name}")
    _want(limit is None or len(values or ()) <= limit, f"no more than {limit} items allowed", f"{at}/{name}")
    return [(value, f"{at}/{name}/{index}") for index, value in enumerate(values or ())]


def _one_of(kinds: Mapping[str, T], value: Any, at: str) -> T:
    kind = value.get("type") if isinstance(value, Mapping) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise RefusedError("invalid_blocks", f"unsupported type: {kind} [json-pointer:{at}]")
    return kinds[kind]


def _want(holds: bool, problem: str, at: str) -> None:
    if not holds:
        raise RefusedError("invalid_blocks", f"{problem} [json-pointer:{at}]")


Check = Callable[[Mapping[str, Any], str], None]
BLOCKS: Mapping[str, Check] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "divider": _divider,
    "image": _image,
    "actions": _actions,
    "rich_text": _rich_text,
}
ACCESSORIES: Mapping[str, Check] = {"button": _button, "image": _image}
RICH_TEXT: Mapping[str, Check] = {
    "rich_text_section": _rich_section,
    "rich_text_quote": _rich_section,
    "rich_text_preformatted": _rich_preformatted,
    "rich_text_list": _rich_list,
}
