"""Who is notified where, when again, and what is silenced: the routing file, read and checked.

Which incident people are notified of, and how, is decided elsewhere.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import yaml

from greenery_assets.alerts.blocks import is_channel
from greenery_assets.alerts.incidents import Severity
from greenery_assets.alerts.project import AlertsError
from greenery_assets.alerts.silence import Policy, Silence, end_of_silence

MAX_RENOTIFY_HOURS = 10 * 366 * 24
QUOTE_STAR = 'write it in quotes, as "*_orders"'
NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}


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
    root = _compose(path, _read(path))
    reader = _Reader()
    file = reader.read(root, _file(groups), 1) if root else {}
    if reader.problems:
        raise _unusable(path, sorted(reader.problems, key=lambda problem: problem[0]))
    channels, hours = file.get("channels", {}), file.get("renotify_after_hours", {})
    default = channels.get("default", default_channel)
    return Routing(
        default_channel=default,
        digest_channel=channels.get("digest", default),
        by_owner=channels.get("by_owner", {}),
        by_mart=channels.get("by_mart", {}),
        mentions=file.get("mentions", {}),
        renotify_after={
            Severity.ERROR: timedelta(hours=hours.get("ERROR", 24)),
            Severity.WARN: timedelta(hours=hours.get("WARN", 168)),
        },
        expected_by=file.get("digest", {}).get("expected_by", time(7)),
        silences=tuple(
            Silence(each.get("asset", "*"), each.get("check", "*"), each["reason"], each["until"])
            for each in file.get("silences", [])
        ),
    )


# What may stand in a place of the file: a value, given by its check; fields by name; any fields, as the checks of their
# names and values; a list, as [what an item may be].
Check = Callable[[yaml.ScalarNode], Any]


@dataclass(frozen=True)
class _Fields:
    fields: Mapping[str, Any]
    needed: Sequence[str] = ()
    # Of these at least one is needed, and what is said where none is there.
    one_of: tuple[str, ...] = ()
    otherwise: str = ""


def _file(groups: Sequence[str]) -> _Fields:
    """What may stand in a routing file of a project with these groups of assets."""
    known = f"{', '.join(groups[:-1])} or {groups[-1]}" if groups[1:] else "a group of assets"
    group = _fits(lambda text: text in groups, f"must be {known}")
    owner = _matches(r"[^@\s,]+@[^@\s,]+", "must be the mail address of an owner")
    slack_id = _matches(
        r"[UWS][A-Z0-9]{8,}", "must be a Slack id: of a member (U0123ABCD) or of a user group (S0123ABCD)"
    )
    channel = _fits(
        is_channel,
        'must be "#name" in quotes (without them # starts a comment), of at most 80 small letters, digits, - and _, '
        "or a channel's id such as C0123ABCD",
    )
    pattern = _matches(
        r"[\w/.*-]+", 'must be a name, with * for any letters, such as "staging/*"; in quotes if * is first'
    )
    silence = _Fields(
        {
            "asset": pattern,
            "check": pattern,
            "reason": _matches(r"(?s).*\S.*", "must say why, in words"),
            "until": lambda node: end_of_silence(node.value),
        },
        needed=("reason", "until"),
        one_of=("check", "asset"),
        otherwise="must be given where no asset is: a silence names an asset, a check or both",
    )
    channels = {
        "default": channel,
        "digest": channel,
        "by_owner": (owner, channel),
        "by_mart": (group, channel),
    }
    return _Fields(
        {
            "channels": _Fields(channels),
            "mentions": (owner, slack_id),
            "renotify_after_hours": _Fields({"ERROR": _hours, "WARN": _hours}),
            "digest": _Fields({"expected_by": _time_of_day}),
            "silences": [silence],
        }
    )


def _fits(is_good: Callable[[str], bool], must: str) -> Check:
    def check(node: yaml.ScalarNode) -> str:
        if is_good(node.value):
            return str(node.value)
        raise ValueError(must)

    return check


def _matches(pattern: str, must: str) -> Check:
    return _fits(lambda text: re.fullmatch(pattern, text) is not None, must)


def _hours(node: yaml.ScalarNode) -> float:
    try:
        hours = float(node.value) if node.tag in NUMBERS else 0
    except ValueError:
        hours = 0
    if 0 < hours <= MAX_RENOTIFY_HOURS:
        return hours
    raise ValueError("must be a number of hours above 0, at most ten years, without quotes")


def _time_of_day(node: yaml.ScalarNode) -> time:
    if re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", node.value):
        return time.fromisoformat(node.value)
    raise ValueError('must be a time of day as HH:MM, such as "07:00"')


@dataclass
class _Reader:
    """Reads nodes by what may stand in them; `problems` are lines with what is wrong there."""

    problems: list[tuple[int, str]] = field(default_factory=list)

    def read(self, node: yaml.Node, shape: Any, line: int, *at: object) -> Any:
        """The value of a node; what is wrong in it is left out."""
        # A field whose every line below is still commented out is empty, and that must not be an error.
        is_empty = node.tag == "tag:yaml.org,2002:null"
        match shape:
            case _Fields():
                return {} if is_empty and not shape.needed else self._fields(node, shape, line, *at)
            case (name, value):
                found = {}
                for key, below, place in () if is_empty else self._pairs(node, line, *at):
                    known = self._checked(key, name, place, *at, key.value, shows=False)
                    found[known] = self.read(below, value, place, *at, key.value)
                return found
            case [item]:
                if not is_empty and not isinstance(node, yaml.SequenceNode):
                    self._note(line, at, None, "must be a list, each item after a hyphen")
                items = enumerate(node.value) if isinstance(node, yaml.SequenceNode) else ()
                return [self.read(below, item, _line(below), *at, n) for n, below in items]
        return self._checked(node, shape, line, *at)

    def _fields(self, node: yaml.Node, shape: _Fields, line: int, *at: object) -> dict[str, Any]:
        problems, values = len(self.problems), {}
        for key, value, place in self._pairs(node, line, *at):
            if key.value in shape.fields:
                values[key.value] = self.read(value, shape.fields[key.value], place, *at, key.value)
            else:
                self._note(place, (*at, key.value), value, f"must be one of {', '.join(shape.fields)}")
        if isinstance(node, yaml.MappingNode):
            for name in shape.needed:
                if name not in values:
                    self._note(line, (*at, name), None, "must be given")
            if shape.one_of and values.keys().isdisjoint(shape.one_of):
                self._note(line, (*at, shape.one_of[0]), None, shape.otherwise)
        return values if len(self.problems) == problems else {}

    def _pairs(self, node: yaml.Node, line: int, *at: object) -> Iterator[tuple[yaml.ScalarNode, yaml.Node, int]]:
        if not isinstance(node, yaml.MappingNode):
            self._note(line, at, node, "must be fields, each on a line of its own as name: value")
            return
        lines: dict[str, int] = {}
        for key, value in node.value:
            place = _line(key)
            if not isinstance(key, yaml.ScalarNode):
                self._note(place, at, None, "the name of a field must be plain text")
            elif key.value in lines:
                self._note(place, (*at, key.value), None, f"must be given once, and is on line {lines[key.value]}")
            else:
                lines[key.value] = place
                yield key, value, place

    def _checked(self, node: yaml.Node, check: Check, line: int, *at: object, shows: bool = True) -> Any:
        try:
            return check(node if isinstance(node, yaml.ScalarNode) else yaml.ScalarNode("", ""))
        except ValueError as error:
            self._note(line, at, node if shows else None, str(error))
        return None

    def _note(self, line: int, at: Sequence[object], node: yaml.Node | None, must: str) -> None:
        value = f"={node.value!r}" if isinstance(node, yaml.ScalarNode) else ""
        self.problems.append((line, f"{'.'.join(map(str, at)) or 'the file'}{value}: {must}"))


class _Loader(yaml.SafeLoader):
    """YAML without aliases: nothing here is worth one, and whoever writes *_orders means a pattern."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, f"found a value that starts with *; {QUOTE_STAR}", mark)
        return super().compose_node(parent, index)


def _unusable(path: Path, problems: Iterable[tuple[int, str]]) -> RoutingError:
    lines = [f"{path}:{line}: {words}" for line, words in problems]
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
        raise _unusable(path, [(line, "must be text in UTF-8; save the file in that encoding")]) from None


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = line, f"must not hold the control character {chr(error.character)!r}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(filter(None, (error.context, error.problem)))
        hint = f"; {QUOTE_STAR}" if error.context == "while scanning an alias" else ""
        problem = mark.line + 1 if mark else 1, f"is not YAML: {words}{hint}"
    raise _unusable(path, [problem])


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
