"""What a request to the fake Slack asks for, read as strictly as Slack does."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.slack.limits import RefusedError
from tests.slack.reading import Posted

Arguments = Mapping[str, Any]


def flag(arguments: Arguments, name: str) -> bool:
    """Whether a switch is on."""
    return arguments.get(name) in {True, "1", "true"}


def parsing(arguments: Arguments) -> str:
    """How the text is to be read: as it is marked, or as it stands (none)."""
    # `full` makes mentions of bare words, which `pings` knows nothing of.
    parse = arguments.get("parse") or ""
    if parse not in {"", "none"}:
        raise RefusedError("invalid_arguments", f"this fake does not know parse={parse}")
    return str(parse)


def structure(arguments: Arguments, name: str, error: str) -> Any:
    """What is given as JSON, in a form or in the body itself."""
    value = arguments.get(name)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        raise RefusedError(error) from None


def within(arguments: Arguments, messages: Sequence[Posted]) -> list[Posted]:
    """The messages between `oldest` and `latest`."""
    oldest, latest = _timestamp(arguments, "oldest"), _timestamp(arguments, "latest")
    inclusive = flag(arguments, "inclusive")
    kept = []
    for message in messages:
        ts = Decimal(message.ts)
        is_edge = ts in {oldest, latest}
        is_between = (oldest is None or ts > oldest) and (latest is None or ts < latest)
        if is_between or (is_edge and inclusive):
            kept.append(message)
    return kept


def _timestamp(arguments: Arguments, name: str) -> Decimal | None:
    value = arguments.get(name)
    try:
        return Decimal(str(value)) if value else None
    except InvalidOperation:
        raise RefusedError(f"invalid_ts_{name}") from None
