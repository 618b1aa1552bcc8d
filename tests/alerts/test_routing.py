"""The routing file: its defaults, where it sends what, and errors that name line, field, value and remedy."""

import re
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenery_assets.alerts import routing
from greenery_assets.alerts.incidents import Severity, Subject
from greenery_assets.alerts.routing import Routing, RoutingError, load_routing
from greenery_assets.alerts.silence import Silence
from tests.alerts.projects import GROUPS
from tests.job import ROOT

SHIPPED = ROOT / "greenery_assets" / "routing.yml"
PLATFORM, MARKETING = "data-platform@greenery.example", "marketing-analytics@greenery.example"
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def load(folder: Path, text: str) -> Routing:
    path = folder / "routing.yml"
    path.write_text(text, encoding="utf-8")
    return load_routing(path, "#given", GROUPS)


def errors(folder: Path, text: str) -> list[str]:
    """The complaints about a file, each as "line: what", and all of them naming the file."""
    with pytest.raises(RoutingError) as error:
        load(folder, text)
    heading, *lines = str(error.value).splitlines()
    assert heading == "This routing file cannot be used:"
    assert all(line.startswith(f"  {folder / 'routing.yml'}:") for line in lines)
    return [line.removeprefix(f"  {folder / 'routing.yml'}:") for line in lines]


def uncommented(text: str) -> str:
    return re.sub(r"^( +)# (?=[a-z@.-]+: |- |  [a-z]+: )", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n", "channels:\nmentions:\nsilences:\n"])
def test_an_empty_file_means_what_the_shipped_one_says(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == load_routing(SHIPPED, "#given", GROUPS)


def test_the_shipped_file_sends_everything_to_the_one_given_channel() -> None:
    shipped = load_routing(SHIPPED, "#given", GROUPS)
    assert shipped.channels_for(MARKETING, "marketing", ["core", "product"]) == ("#given",)
    assert shipped.digest_channel == "#given"
    assert shipped.mentions == {}
    assert shipped.expected_by == time(7)
    assert shipped.policy().silences == ()
    assert shipped.policy().renotify_after == {Severity.ERROR: timedelta(days=1), Severity.WARN: timedelta(days=7)}


def test_every_field_stands_in_the_shipped_file_and_its_examples_work(tmp_path: Path) -> None:
    text = uncommented(SHIPPED.read_text())
    fields = yaml.safe_load(text)
    shape = routing._file(GROUPS).fields
    assert set(fields) == set(shape)
    assert set(fields["channels"]) == set(shape["channels"].fields)
    assert set(fields["silences"][0]) == set(shape["silences"][0].fields)
    everything = load(tmp_path, text)
    assert everything.channels_for(MARKETING, "marketing", ["product"]) == ("#marketing-data", "#product")
    assert everything.digest_channel == "#data-daily"
    assert everything.mentions[PLATFORM] == "S0123ABCD"


@pytest.mark.parametrize(
    ("owner", "group", "held_back", "channels"),
    [
        ("", "", [], ("#home",)),
        (PLATFORM, "raw", [], ("#platform",)),
        ("nobody@greenery.example", "raw", [], ("#home",)),
        ("nobody@greenery.example", "product", [], ("#product",)),
        (MARKETING, "product", [], ("#product",)),
        (f"{MARKETING}, {PLATFORM}", "product", [], ("#platform",)),
        (PLATFORM, "staging", ["core", "marketing", "product"], ("#platform", "C0MARKETING", "#product")),
        ("", "product", ["product", "marketing", "product"], ("#product", "C0MARKETING")),
        ("", "core", ["core"], ("#home",)),
    ],
)
def test_an_incident_goes_home_and_to_the_readers_of_what_it_holds_back(
    tmp_path: Path, owner: str, group: str, held_back: list[str], channels: tuple[str, ...]
) -> None:
    routes = load(
        tmp_path,
        f"""
        channels:
          default: "#home"
          by_owner: {{{PLATFORM}: "#platform"}}
          by_mart: {{marketing: C0MARKETING, product: "#product"}}
        """,
    )
    assert routes.channels_for(owner, group, held_back) == channels


@pytest.mark.parametrize(
    ("text", "default", "digest"),
    [
        ('channels: {default: "#own"}', "#own", "#own"),
        ('channels: {digest: "#daily"}', "#given", "#daily"),
        ('channels: {default: "#own", digest: G0123ABCD}', "#own", "G0123ABCD"),
        ('channels: {default: "#übersicht", digest: "#данные_1"}', "#übersicht", "#данные_1"),
    ],
)
def test_the_digest_goes_to_the_default_channel_unless_it_has_its_own(
    tmp_path: Path, text: str, default: str, digest: str
) -> None:
    routes = load(tmp_path, text)
    assert (routes.default_channel, routes.digest_channel) == (default, digest)


@pytest.mark.parametrize(
    ("hours", "error", "warn"),
    [("{ERROR: 4}", 4, 168), ("{WARN: 0.5}", 24, 0.5), ("{ERROR: 1, WARN: 1_000}", 1, 1000)],
)
def test_each_severity_is_told_again_after_its_own_time(tmp_path: Path, hours: str, error: float, warn: float) -> None:
    after = load(tmp_path, f"renotify_after_hours: {hours}").policy().renotify_after
    assert after == {Severity.ERROR: timedelta(hours=error), Severity.WARN: timedelta(hours=warn)}


@pytest.mark.parametrize(
    ("written", "meant"),
    [('"06:30"', time(6, 30)), ("07:00", time(7)), ("10:30", time(10, 30)), ("'23:59'", time(23, 59))],
)
def test_a_time_of_day_is_understood_with_and_without_quotes(tmp_path: Path, written: str, meant: time) -> None:
    assert load(tmp_path, f"digest: {{expected_by: {written}}}").expected_by == meant


@pytest.mark.parametrize(
    ("until", "last_moment"),
    [
        ("2026-12-31", datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ('"2026-12-31"', datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2026-12-31 18:00", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+02:00", datetime(2026, 12, 31, 16, tzinfo=UTC)),
        ("2020-01-01", datetime(2020, 1, 1, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_a_silence_ends_at_a_time_or_with_a_day_in_utc(tmp_path: Path, until: str, last_moment: datetime) -> None:
    policy = load(tmp_path, f"silences: [{{check: '*_are_fresh', reason: Moving., until: {until}}}]").policy()
    assert policy.silences == (Silence("*", "*_are_fresh", "Moving.", last_moment),)


@pytest.mark.parametrize(
    ("patterns", "covered"),
    [
        ("asset: raw/*", {"raw/orders is_fresh", "raw/events is_fresh"}),
        ("check: is_fresh", {"raw/orders is_fresh", "raw/events is_fresh"}),
        ("asset: '*', check: daily_*", {"daily_job"}),
        ("asset: staging/*, check: has_*", {"staging/orders has_key"}),
        ("asset: orders", set()),
    ],
)
def test_a_silence_covers_what_both_its_patterns_name(tmp_path: Path, patterns: str, covered: set[str]) -> None:
    policy = load(tmp_path, f"silences: [{{{patterns}, reason: Moving., until: 2026-12-31}}]").policy()
    subjects = [
        Subject("raw/orders", "is_fresh"),
        Subject("raw/events", "is_fresh"),
        Subject("staging/orders", "has_key"),
        Subject("", "daily_job"),
    ]
    assert {subject.id for subject in subjects if policy.silence(subject, NOW)} == covered


def test_an_expired_silence_is_no_error_and_does_nothing(tmp_path: Path) -> None:
    policy = load(tmp_path, "silences: [{asset: '*', reason: Long ago., until: 2026-05-03}]").policy()
    assert policy.silence(Subject("raw/orders", "is_fresh"), NOW) is None


def test_silences_from_elsewhere_are_added_to_those_of_the_file(tmp_path: Path) -> None:
    routes = load(tmp_path, "silences: [{asset: raw/*, reason: Moving., until: 2026-12-31}]")
    extra = Silence("*", "has_key", "By hand.", NOW + timedelta(hours=1))
    assert routes.policy([extra]).silences == (*routes.silences, extra)
    assert routes.policy().silences == routes.silences


CHANNEL = (
    'must be "#name" in quotes (without them # starts a comment), of at most 80 small letters, digits, - and _, '
    "or a channel's id such as C0123ABCD"
)
HOURS = "must be a number of hours above 0, at most ten years, without quotes"
UNTIL = (
    "must be a day such as 2026-12-31, its end is meant, or a time such as 2026-12-31 18:00 (UTC), "
    "at most ten years from now"
)
PATTERN = 'must be a name, with * for any letters, such as "staging/*"; in quotes if * is first'
FIELDS = "must be fields, each on a line of its own as name: value"
SLACK_ID = "must be a Slack id: of a member (U0123ABCD) or of a user group (S0123ABCD)"
SILENCED = "{reason: Moving., until: 2026-12-31"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\nchanels:\n", "2: chanels='': must be one of channels, mentions, renotify_after_hours, digest, silences"),
        ("channels:\n  typo: 3\n", "2: channels.typo='3': must be one of default, digest, by_owner, by_mart"),
        ("- channels\n", f"1: the file: {FIELDS}"),
        ("just words\n", f"1: the file='just words': {FIELDS}"),
        ("channels: []\n", f"1: channels: {FIELDS}"),
        ("channels:\n  default: data\n", f"2: channels.default='data': {CHANNEL}"),
        ("channels:\n  default: #data-alerts\n", f"2: channels.default='': {CHANNEL}"),
        ("channels:\n\n  digest: '#Data'\n", f"3: channels.digest='#Data': {CHANNEL}"),
        ("channels: {default: 12}\n", f"1: channels.default='12': {CHANNEL}"),
        (f"channels: {{default: '#{'a' * 81}'}}\n", f"1: channels.default='#{'a' * 81}': {CHANNEL}"),
        ("channels:\n  default:\n    - '#a'\n", f"2: channels.default: {CHANNEL}"),
        ("channels:\n  by_owner:\n    ana: '#a'\n", "3: channels.by_owner.ana: must be the mail address of an owner"),
        ("channels:\n  by_owner:\n    a@b.c: D0123ABCD\n", f"3: channels.by_owner.a@b.c='D0123ABCD': {CHANNEL}"),
        (
            "channels:\n  by_mart: {sales: '#a'}\n",
            "2: channels.by_mart.sales: must be raw, staging, core, marketing, product or reporting",
        ),
        ("mentions:\n  a@b.c: '@ana'\n", f"2: mentions.a@b.c='@ana': {SLACK_ID}"),
        ("mentions:\n  a@b.c: C0123ABCD\n", f"2: mentions.a@b.c='C0123ABCD': {SLACK_ID}"),
        ("renotify_after_hours:\n  ERROR: 0\n", f"2: renotify_after_hours.ERROR='0': {HOURS}"),
        ("renotify_after_hours:\n  ERROR: '24'\n", f"2: renotify_after_hours.ERROR='24': {HOURS}"),
        ("renotify_after_hours:\n  WARN: true\n", f"2: renotify_after_hours.WARN='true': {HOURS}"),
        ("renotify_after_hours:\n  WARN: .inf\n", f"2: renotify_after_hours.WARN='.inf': {HOURS}"),
        ("renotify_after_hours:\n  WARN: 1e999\n", f"2: renotify_after_hours.WARN='1e999': {HOURS}"),
        ("renotify_after_hours:\n  error: 3\n", "2: renotify_after_hours.error='3': must be one of ERROR, WARN"),
        ("digest:\n  expected_by: 7\n", "2: digest.expected_by='7': must be a time of day as HH:MM, such as \"07:00\""),
        (
            "digest: {expected_by: '24:00'}\n",
            "1: digest.expected_by='24:00': must be a time of day as HH:MM, such as \"07:00\"",
        ),
        ("silences: {}\n", "1: silences: must be a list, each item after a hyphen"),
        ("silences:\n  - raw/*\n", f"2: silences.0='raw/*': {FIELDS}"),
        ("silences:\n  -\n", f"2: silences.0='': {FIELDS}"),
        (
            f"silences:\n  - {SILENCED}}}\n",
            "2: silences.0.check: must be given where no asset is: a silence names an asset, a check or both",
        ),
        (f"silences:\n  - {SILENCED}, asset: '[ab]'}}\n", f"2: silences.0.asset='[ab]': {PATTERN}"),
        (f"silences:\n  - {SILENCED}, asset: ''}}\n", f"2: silences.0.asset='': {PATTERN}"),
        ("silences:\n  - asset: a\n    until: 2026-12-31\n", "2: silences.0.reason: must be given"),
        (
            "silences:\n  - asset: a\n    until: 2026-12-31\n    reason: ' '\n",
            "4: silences.0.reason=' ': must say why, in words",
        ),
        ("silences:\n  - asset: a\n    reason: Moving.\n", "2: silences.0.until: must be given"),
        (
            "silences:\n  - asset: a\n    reason: Moving.\n    until: 2026-02-30\n",
            f"4: silences.0.until='2026-02-30': {UNTIL}",
        ),
        ("silences: [{asset: a, reason: Moving., until: soon}]\n", f"1: silences.0.until='soon': {UNTIL}"),
        ("silences: [{asset: a, reason: Moving., until: }]\n", f"1: silences.0.until='': {UNTIL}"),
        ("silences: [{asset: a, reason: M., until: 9999-12-31}]\n", f"1: silences.0.until='9999-12-31': {UNTIL}"),
        (
            "silences: [{asset: a, reason: Moving., until: 9999-12-31T23:59-05:00}]\n",
            f"1: silences.0.until='9999-12-31T23:59-05:00': {UNTIL}",
        ),
        (
            "mentions:\n  a@b.c: U0123ABCD\n  a@b.c: U0123ABCD\n",
            "3: mentions.a@b.c: must be given once, and is on line 2",
        ),
        ("digest:\n\ndigest:\n", "3: digest: must be given once, and is on line 1"),
        ("{[a]: 3}\n", "1: the file: the name of a field must be plain text"),
        (
            "channels:\n  default: '#a\n",
            "3: is not YAML: while scanning a quoted scalar, found unexpected end of stream",
        ),
        (
            "channels:\n\tdefault: 3\n",
            "2: is not YAML: while scanning for the next token, found character '\\t' that cannot start any token",
        ),
        (
            "digest:\n---\ndigest:\n",
            "2: is not YAML: expected a single document in the stream, but found another document",
        ),
        (
            "silences:\n  - check: *_fresh\n",
            '2: is not YAML: found a value that starts with *; write it in quotes, as "*_orders"',
        ),
        (
            "silences:\n  - check: *\n",
            "2: is not YAML: while scanning an alias, expected alphabetic or numeric character, but found '\\n'; "
            'write it in quotes, as "*_orders"',
        ),
        ("digest:\n  x: \x07\n", "2: must not hold the control character '\\x07'"),
    ],
)
def test_a_mistake_is_told_with_line_field_value_and_what_must_be_there(
    tmp_path: Path, text: str, complaint: str
) -> None:
    assert errors(tmp_path, text) == [complaint]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
mentions:
  a@b.c: ana
channels:
  default: data
  default: "#data"
renotify_after_hours: {ERROR: -1, WARN: soon}
silences:
  - reason: Moving.
    until: never
"""
    assert errors(tmp_path, text) == [
        f"2: mentions.a@b.c='ana': {SLACK_ID}",
        f"4: channels.default='data': {CHANNEL}",
        "5: channels.default: must be given once, and is on line 4",
        f"6: renotify_after_hours.ERROR='-1': {HOURS}",
        f"6: renotify_after_hours.WARN='soon': {HOURS}",
        "8: silences.0.check: must be given where no asset is: a silence names an asset, a check or both",
        f"9: silences.0.until='never': {UNTIL}",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match=r"none\.yml cannot be read: No such file or directory"):
        load_routing(tmp_path / "none.yml", "#given", GROUPS)


def test_a_file_that_is_not_utf_8_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "routing.yml"
    path.write_bytes("digest:\n# für\n".encode("latin-1"))
    with pytest.raises(RoutingError, match=r"routing\.yml:2: must be text in UTF-8"):
        load_routing(path, "#given", GROUPS)


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "routing.yml"
    path.write_bytes(b'\xef\xbb\xbfchannels: {default: "#own"}\n')
    assert load_routing(path, "#given", GROUPS).default_channel == "#own"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.dates() | st.text(max_size=8)
NAMES = st.sampled_from(
    [
        "channels",
        "default",
        "by_mart",
        "core",
        "mentions",
        "renotify_after_hours",
        "ERROR",
        "digest",
        "silences",
        "until",
    ]
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TREES.map(lambda tree: yaml.safe_dump(tree, allow_unicode=True)) | st.text(max_size=60))
def test_any_file_loads_or_is_refused_in_words_with_a_line(tmp_path: Path, text: str) -> None:
    complaints = []
    try:
        load(tmp_path, text)
    except RoutingError as error:
        complaints = str(error).splitlines()[1:]
    assert all(re.search(r"routing\.yml:\d+: (.*must |is not YAML: )", line) for line in complaints)
