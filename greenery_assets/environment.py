"""The names in the environment and in `.env`: which are ours, which are mistakes, which may not reach dbt and Dagster.

What a value means is settings' business. Imports nothing else of this project, and changes nothing.
"""

import io
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

import yaml
from dotenv import dotenv_values
from dotenv.parser import parse_stream

PREFIX = "GREENERY_"
# Names that the project hands to dbt itself: whoever sets them does not decide them.
HANDED_TO_DBT = frozenset(
    {
        "GREENERY_CHECKS",
        "GREENERY_DEFINITION",
        "GREENERY_PREVIEW",
        "GREENERY_RUN_ID",
        *(f"GREENERY_POSTGRES_{part}" for part in ("HOST", "PORT", "USER", "DATABASE", "SSLMODE")),
    }
)
# Each would lead PostgreSQL's driver to another place than the settings name, or have it read values in another way.
POSTGRES_NAMES = frozenset(
    {
        "PGHOSTADDR",
        "PGSERVICE",
        "PGSERVICEFILE",
        "PGOPTIONS",
        "PGTARGETSESSIONATTRS",
        "PGLOADBALANCEHOSTS",
        "PGCLIENTENCODING",
        "PGDATESTYLE",
        "PGTZ",
    }
)
# Each can change what dbt builds, what Dagster keeps, or where it listens. DAGIT_ is an old name of DAGSTER_WEBSERVER_.
FOREIGN_PREFIXES = ("DBT_", "DAGSTER_", "DAGIT_")
# A limit of Dagster's that has no prefix: below our page size it makes reading the history fail.
FOREIGN_NAMES = frozenset({"MAX_LIMIT_GET_EVENT_RECORDS"})
# What Dagster sets for the processes it starts, and where its home is.
KEPT = frozenset(
    {
        "DAGSTER_HOME",
        "DAGSTER_CURRENT_IMAGE",
        "DAGSTER_IS_DEFS_VALIDATION_CLI",
        "DAGSTER_IS_DEV_CLI",
        "DAGSTER_verbose",
    }
)
# How alike two names are (0 to 1) for one to be a misspelling of the other. `.env` is ours, so there a name that only
# begins like ours is one too.
NEARLY_THE_SAME = 0.9
NEARLY_OUR_PREFIX = 0.75
# What Kubernetes and Docker set for a service called greenery or greenery-something. A port that a person sets has no
# scheme.
OF_A_SERVICE = re.compile(
    r"GREENERY(_\w+)?_(SERVICE_HOST=.*|SERVICE_PORT(_\w+)?=.*|PORT=(tcp|udp|sctp)://.*|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?=.*)",
    re.DOTALL,
)


class EnvironmentNamesError(Exception):
    """A `.env` that cannot be read, or a name that is no setting; the text says where it stands and what to do."""


@dataclass(frozen=True)
class Assignment:
    """One assignment of `.env`: the value with each `${NAME}` filled in, and as it is written; its line and file."""

    name: str
    value: str
    written: str
    place: str


def foreign_names(environment: Iterable[str], asked_for: Collection[str] = ()) -> list[str]:
    """The variables that must not reach dbt or Dagster, sorted; those that Dagster's home asked for may."""
    return sorted(
        name
        for name in environment
        if name not in KEPT
        and not (name in asked_for and not name.upper().startswith("DBT_"))
        and (name.upper().startswith(FOREIGN_PREFIXES) or name in FOREIGN_NAMES or name in HANDED_TO_DBT)
    )


def asked_for_by(dagster_yaml: Path) -> set[str]:
    """The variables that a dagster.yaml takes values from (`env: NAME`), such as the password of a database.

    Empty if the file cannot be read: dagster_home.check_home reports that.
    """
    try:
        waiting = [yaml.safe_load(dagster_yaml.read_text(encoding="utf-8"))]
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return set()
    names = set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            if isinstance(part.get("env"), str):
                names.add(part["env"])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return names


def check_names(
    environment: Mapping[str, str],
    entries: Collection[Assignment],
    known: Collection[str],
    asked_for: Collection[str] = (),
) -> None:
    """Raise EnvironmentNamesError with every unknown name that looks like one of ours, and its place.

    `entries` are those of `.env`, which may also hold variables that Dagster's home asked for.
    """
    # Dagster's own commands put what is in `.env` into the environment: it is the file that must be corrected.
    from_file = {(entry.name, entry.value) for entry in entries}
    mistakes = [
        f"{_printable(name)} in the environment {reason}"
        for name, value in sorted(environment.items())
        if name not in HANDED_TO_DBT
        and (name, value) not in from_file
        and not OF_A_SERVICE.fullmatch(f"{name}={value}")
        and (reason := _mistake(name, known))
    ]
    mistakes += [
        f"{_printable(entry.name)} in {entry.place} {reason}"
        for entry in entries
        if not is_passed_on(entry.name, asked_for) and (reason := _mistake_in_env_file(entry.name, known))
    ]
    if mistakes:
        raise EnvironmentNamesError("\n".join(mistakes))


def is_passed_on(name: str, asked_for: Collection[str]) -> bool:
    """Whether Dagster's home asked for a variable and may have it."""
    return name in asked_for and not foreign_names([name], asked_for)


def empty_names(
    environment: Mapping[str, str], entries: Collection[Assignment], names: Collection[str]
) -> dict[str, str]:
    """The names whose value is empty, each with the place that sets it. The environment overrides `.env`."""
    from_file = {(entry.name, entry.value) for entry in entries}
    places = {
        entry.name: (
            entry.value,
            f"in {entry.place}"
            + (", as the variable that it takes its value from is not set" if entry.written.strip() else ""),
        )
        for entry in entries
    }
    places |= {
        name: (value, "in the environment") for name, value in environment.items() if (name, value) not in from_file
    }
    return {name: places[name][1] for name in names if name in places and not places[name][0].strip()}


def read_env_file(path: Path, known: Collection[str]) -> list[Assignment]:
    """The assignments of `.env`, none where there is no such file.

    Another program may read the same file. So a value in several lines, a name without a value and a name that is set
    twice are errors only for the known names. Raises EnvironmentNamesError, which never quotes a line: it may hold a
    token.
    """
    # A link to a file that is gone is not the same as no file.
    if not path.exists() and not path.is_symlink():
        return []
    try:
        content = path.read_bytes()
    except IsADirectoryError:
        raise EnvironmentNamesError(f"{path} is a folder; it must be a file of settings, or not be there.") from None
    except OSError as error:
        raise EnvironmentNamesError(
            f"{path} cannot be read ({error.strerror}); make it readable, or remove it."
        ) from None
    text = _decoded(content, path).replace("\r\n", "\n").replace("\r", "\n")
    written_in: dict[str, tuple[str, int]] = {}
    for binding in parse_stream(io.StringIO(text)):
        written = binding.original.string
        indent = len(written) - len(written.lstrip())
        line = binding.original.line + written[:indent].count("\n")
        if binding.error:
            cause = "has a quote that is not closed, or text after one," if "=" in written else "is no NAME=value"
            raise EnvironmentNamesError(f"Line {line} of {path} {cause}; correct it, or begin it with # as a comment.")
        if binding.key is None:
            continue
        is_ours = binding.key in known or _mistake_in_env_file(binding.key, known) is not None
        if binding.value is None:
            if not is_ours and re.fullmatch(r"[A-Za-z_]\w*", binding.key):
                continue
            raise EnvironmentNamesError(
                f"Line {line} of {path} is no NAME=value; correct it, or begin it with # as a comment."
            )
        # A quote of another program's that is not closed may hide a line of ours.
        if "\n" in binding.value and (is_ours or any(name in binding.value for name in known)):
            raise EnvironmentNamesError(
                f"The value that begins in line {line} of {path} goes on in the next; close its quote in one line."
            )
        if is_ours and binding.key in written_in:
            raise EnvironmentNamesError(
                f"{_printable(binding.key)} is set in line {written_in[binding.key][1]} and again in line {line} of "
                f"{path}; remove one."
            )
        written_in[binding.key] = (binding.value, line)
    values = dotenv_values(stream=io.StringIO(text))
    return [
        Assignment(name, values[name] or "", written, f"line {line} of {path}")
        for name, (written, line) in written_in.items()
    ]


def _decoded(content: bytes, path: Path) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise EnvironmentNamesError(f"{path} is UTF-16, or no text; save it as UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise EnvironmentNamesError(
            f"Line {line} of {path} is not UTF-8 (Latin-1, perhaps); save the file as UTF-8."
        ) from None


def _mistake(name: str, known: Collection[str]) -> str | None:
    """What is wrong with a name of the environment, if anything."""
    if name in known:
        return None
    upper = name.upper()
    nearest = _nearest(upper, known)
    # Another's: a continuous integration's copy of ours, say (CI_GREENERY_SLACK_TOKEN).
    if not upper.startswith(PREFIX) and any(re.fullmatch(f"\\w+_{setting}", upper) for setting in known):
        return None
    if upper in known or upper.startswith(PREFIX) or _alike(upper, nearest) >= NEARLY_THE_SAME:
        return f"is no setting; the nearest name is {nearest}. Correct it, or remove it."
    return None


def _mistake_in_env_file(name: str, known: Collection[str]) -> str | None:
    if name in known:
        return None
    upper = name.upper()
    if upper.startswith(FOREIGN_PREFIXES) and _mistake(name, known) is None:
        return "has no effect: what dbt and Dagster do is set by this project alone. Remove it."
    if f"{PREFIX}{upper}" in known:
        return f"is no setting; the nearest name is {PREFIX}{upper}. Correct it, or remove it."
    if _alike(upper.partition("_")[0], PREFIX.rstrip("_")) >= NEARLY_OUR_PREFIX:
        return f"is no setting; the nearest name is {_nearest(upper, known)}. Correct it, or remove it."
    return _mistake(name, known)


def _nearest(name: str, known: Collection[str]) -> str:
    return get_close_matches(name, sorted(known), n=1, cutoff=0)[0]


def _alike(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _printable(name: str) -> str:
    """A name as any terminal can show it."""
    return re.sub(r"[^!-~]", "?", name)
