"""Who is notified where, when again, and what is silenced: the routing file, read and checked.

Which incident people are notified of, and how, is decided elsewhere.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from greenery_assets.alerts.blocks import is_channel
from greenery_assets.alerts.incidents import Policy, Severity, Silence
from greenery_assets.alerts.project import AlertsError

MAX_RENOTIFY_HOURS = 10 * 366 * 24
LONGEST_SILENCE = timedelta(hours=MAX_RENOTIFY_HOURS)
QUOTE_STAR = 'write it in quotes, as "*_orders"'
Location = tuple[int | str, ...]


class RoutingError(AlertsError):
    """A routing file that cannot be used; the text names, a line each, every place and what must stand there."""


@dataclass(frozen=True)
class Routing:
    """The routing file with its defaults filled in.

    Channels are "#name" or ids. `by_owner` and `by_mart` give the channel of an owner's mail and of an asset
    group, `mentions` the Slack id of an owner: a member (U, W) or a user group (S). `expected_by` is a time of
    day in the project's time zone.
    """

    default_channel: str
    digest_channel: str
    by_owner: Mapping[str, str]
    by_mart: Mapping[str, str]
    mentions: Mapping[str, str]
    renotify_after: Mapping[Severity, timedelta]
    expected_by: time
    silences: tuple[Silence, ...]

    def policy(self, extra_silences: Iterable[Silence] = ()) -> Policy:
        """What incidents are judged by, with silences from elsewhere added to the file's."""
        return Policy(self.renotify_after, (*self.silences, *extra_silences))

    @property
    def channels(self) -> frozenset[str]:
        """Every channel that may be written to."""
        return frozenset([self.default_channel, self.digest_channel, *self.by_owner.values(), *self.by_mart.values()])

    def channels_for(self, owner: str, group: str, held_back_groups: Iterable[str] = ()) -> tuple[str, ...]:
        """The channels that are notified, without repeats: the incident's home, then those of the marts it holds back.

        `owner` is one mail or several, separated by commas; `group` is the asset's. Either may be empty.
        """
        owned = [self.by_owner[mail] for mail in owner.split(", ") if mail in self.by_owner]
        home = owned[0] if owned else self.by_mart.get(group, self.default_channel)
        readers = (self.by_mart[held_back] for held_back in held_back_groups if held_back in self.by_mart)
        return tuple(dict.fromkeys((home, *readers)))


def load_routing(path: Path | None, default_channel: str, groups: Sequence[str] = ()) -> Routing:
    """Read a routing file; an empty one, or none, means all defaults, and `default_channel` where it names none.

    It may name the given groups of assets.

    Raises RoutingError naming file, line, field, value and what it must be, for every error in the file.
    """
    path = path or Path(os.devnull)
    text = _read(path)
    root = _compose(path, text)
    problems: list[_Problem] = []
    values = _plain(root, (), problems) if root else None
    file = None
    try:
        file = _File.model_validate({} if values is None else values, context={"groups": groups})
    except ValidationError as error:
        problems += [_problem(item, root) for item in error.errors()]
    if problems or file is None:
        raise _unusable(path, sorted(problems, key=lambda problem: problem.line))
    default = file.channels.default or default_channel
    return Routing(
        default_channel=default,
        digest_channel=file.channels.digest or default,
        by_owner=file.channels.by_owner,
        by_mart=file.channels.by_mart,
        mentions=file.mentions,
        renotify_after={
            Severity.ERROR: timedelta(hours=file.renotify_after_hours.error),
            Severity.WARN: timedelta(hours=file.renotify_after_hours.warn),
        },
        expected_by=file.digest.expected_by,
        silences=tuple(
            Silence(silence.asset or "*", silence.check or "*", silence.reason, silence.until)
            for silence in file.silences
        ),
    )


def _matching(pattern: str, must: str) -> PlainValidator:
    def check(value: object) -> str:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        raise ValueError(must)

    return PlainValidator(check)


def _hours(value: object) -> float:
    if isinstance(value, float) and 0 < value <= MAX_RENOTIFY_HOURS:
        return value
    raise ValueError("must be a number of hours above 0, at most ten years, without quotes")


def _time_of_day(value: object) -> time:
    if isinstance(value, str) and re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return time.fromisoformat(value)
    raise ValueError('must be a time of day as HH:MM, such as "07:00"')


def end_of_silence(value: object) -> datetime:
    """The time (UTC) that a silence is given to last until. Raises ValueError saying what it must be."""
    must = (
        "must be a day such as 2026-12-31, its end is meant, or a time such as 2026-12-31 18:00 (UTC), "
        "at most ten years from now"
    )
    if not isinstance(value, str):
        raise ValueError(must)
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            moment = datetime.combine(date.fromisoformat(value), time.max, UTC)
        else:
            moment = datetime.fromisoformat(value)
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(must) from None
    if moment > datetime.now(UTC) + LONGEST_SILENCE:
        raise ValueError(must)
    return moment


def _channel(value: object) -> str:
    if isinstance(value, str) and is_channel(value):
        return value
    raise ValueError(
        'must be "#name" in quotes (without them # starts a comment), of at most 80 small letters, digits, - and _, '
        "or a channel's id such as C0123ABCD"
    )


# A field whose every line below is still commented out is empty, and that must not be an error.
_MAY_BE_EMPTY = BeforeValidator(lambda value: {} if value is None else value)
Channel = Annotated[str, PlainValidator(_channel)]
Owner = Annotated[str, _matching(r"[^@\s,]+@[^@\s,]+", "must be the mail address of an owner")]
SlackId = Annotated[
    str,
    _matching(r"[UWS][A-Z0-9]{8,}", "must be a Slack id: of a member (U0123ABCD) or of a user group (S0123ABCD)"),
]
Pattern = Annotated[
    str, _matching(r"[\w/.*-]+", 'must be a name, with * for any letters, such as "staging/*"; in quotes if * is first')
]
Text = Annotated[str, _matching(r"(?s).*\S.*", "must say why, in words")]


def _group(value: object, info: ValidationInfo) -> str:
    known = (info.context or {}).get("groups", ())
    if isinstance(value, str) and value in known:
        return value
    raise ValueError(f"must be {', '.join(known[:-1])} or {known[-1]}" if known[1:] else "must be a group of assets")


Mart = Annotated[str, PlainValidator(_group)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Channels(_Section):
    default: Channel = ""
    digest: Channel = ""
    by_owner: Annotated[dict[Owner, Channel], _MAY_BE_EMPTY] = {}
    by_mart: Annotated[dict[Mart, Channel], _MAY_BE_EMPTY] = {}


class _RenotifyAfterHours(_Section):
    error: Annotated[float, PlainValidator(_hours)] = Field(default=24, alias="ERROR")
    warn: Annotated[float, PlainValidator(_hours)] = Field(default=168, alias="WARN")


class _Digest(_Section):
    expected_by: Annotated[time, PlainValidator(_time_of_day)] = time(7)


class _Silence(_Section):
    asset: Pattern = ""
    check: Pattern = Field(default="", validate_default=True)
    reason: Text
    until: Annotated[datetime, PlainValidator(end_of_silence)]

    @field_validator("check", mode="before")
    @classmethod
    def _any_check_of_a_named_asset(cls, value: object, info: ValidationInfo) -> object:
        if value == "" and info.data.get("asset") == "":
            raise ValueError("must be given where no asset is: a silence names an asset, a check or both")
        return "*" if value == "" else value


class _File(_Section):
    channels: Annotated[_Channels, _MAY_BE_EMPTY] = _Channels()
    mentions: Annotated[dict[Owner, SlackId], _MAY_BE_EMPTY] = {}
    renotify_after_hours: Annotated[_RenotifyAfterHours, _MAY_BE_EMPTY] = _RenotifyAfterHours()
    digest: Annotated[_Digest, _MAY_BE_EMPTY] = _Digest()
    silences: Annotated[list[_Silence], BeforeValidator(lambda value: [] if value is None else value)] = []


_SECTIONS: Mapping[tuple[str, ...], type[_Section]] = {
    (): _File,
    ("channels",): _Channels,
    ("renotify_after_hours",): _RenotifyAfterHours,
    ("digest",): _Digest,
    ("silences",): _Silence,
}


class _Loader(yaml.SafeLoader):
    """YAML without aliases: nothing here is worth one, and whoever writes *_orders means a pattern."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, f"found a value that starts with *; {QUOTE_STAR}", mark)
        return super().compose_node(parent, index)


@dataclass(frozen=True)
class _Problem:
    line: int
    words: str


def _unusable(path: Path, problems: Iterable[_Problem]) -> RoutingError:
    lines = [f"{path}:{problem.line}: {problem.words}" for problem in problems]
    return RoutingError("This routing file cannot be used:\n  " + "\n  ".join(lines))


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RoutingError(f"The routing file {path} cannot be read: {error.strerror}.") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unusable(path, [_Problem(line, "must be text in UTF-8; save the file in that encoding")]) from None


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = _Problem(line, f"must not hold the control character {chr(error.character)!r}")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        hint = f"; {QUOTE_STAR}" if error.context == "while scanning an alias" else ""
        problem = _Problem(mark.line + 1 if mark else 1, f"is not YAML: {words}{hint}")
    raise _unusable(path, [problem])


def _plain(node: yaml.Node, at: Location, problems: list[_Problem]) -> object:
    """The node's value. Only numbers and nothing are more than text: dates and times are read by their fields."""
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*at, index), problems) for index, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        values: dict[str, object] = {}
        for key, value in node.value:
            line = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                problems.append(_Problem(line, f"{_dotted(at)}: the name of a field must be plain text"))
            elif key.value in values:
                first = lines[key.value]
                problems.append(
                    _Problem(line, f"{_dotted((*at, key.value))}: must be given once, and is on line {first}")
                )
            else:
                lines[key.value] = line
                values[key.value] = _plain(value, (*at, key.value), problems)
        return values
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag in {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}:
        try:
            return float(node.value)
        except ValueError:
            # 10:30 is a number in base 60 to YAML.
            return node.value
    return node.value


def _problem(error: ErrorDetails, root: yaml.Node | None) -> _Problem:
    location = tuple(step for step in error["loc"] if step != "[key]")
    line, found = _find(root, location)
    if error["loc"][-1:] == ("[key]",):
        found = None
    value = f"={found.value!r}" if isinstance(found, yaml.ScalarNode) else ""
    return _Problem(line, f"{_dotted(location)}{value}: {_must(error)}")


def _must(error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "missing":
        return "must be given"
    if kind == "extra_forbidden":
        section = _SECTIONS[tuple(step for step in error["loc"][:-1] if isinstance(step, str))]
        known = (field.alias or name for name, field in section.model_fields.items())
        return f"must be one of {', '.join(known)}"
    if kind == "list_type":
        return "must be a list, each item after a hyphen"
    if kind in {"model_type", "dict_type"}:
        return "must be fields, each on a line of its own as name: value"
    return error["msg"].removeprefix("Value error, ")


def _find(node: yaml.Node | None, location: Location) -> tuple[int, yaml.Node | None]:
    """The line of a location, and its node; where it is missing, the line of what it is missing from."""
    line = _line(node) if node else 1
    for step in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            node = node.value[step]
            line = _line(node)
        elif isinstance(node, yaml.MappingNode):
            key, node = next(((key, value) for key, value in node.value if key.value == step), (None, None))
            line = _line(key) if key else line
    return line, node


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _dotted(location: Location) -> str:
    return ".".join(map(str, location)) or "the file"
