"""The day's message: its verdict in one sentence, and nothing in it that is true only for a while."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenery_assets.alerts import wording
from greenery_assets.alerts.digest import COLUMNS, DigestFacts, digest_message
from greenery_assets.alerts.incidents import Incident, MartState, Severity, Subject
from greenery_assets.alerts.messages import group_message
from greenery_assets.alerts.silence import Silence
from tests.alerts.strategies import anything, huge, incidents, times
from tests.alerts.told import (
    NASTY,
    OPENED_AT,
    READER,
    STALE,
    YESTERDAY,
    assert_slack_takes,
    incident,
    mentions,
    shown,
    texts,
    title,
)

GOOD_DAY = DigestFacts(
    day=date(2026, 11, 22),
    finished_at=OPENED_AT,
    expected_by=time(7),
    is_late=False,
    marts={"staging": {"passed": 65}, "marketing": {"passed": 40}},
    open_incidents=(),
    silenced=(),
    figures={"repeat rate": 0.798, "conversion rate": 0.624},
    stale=(),
)
UNTIL = datetime(2026, 12, 1, 6, tzinfo=UTC)
FAILED_AT = datetime(2026, 11, 22, 6, 1, tzinfo=UTC)
SILENCE = Silence("*", "*", "Known.", UNTIL)


def day(**changed: Any) -> DigestFacts:
    return replace(GOOD_DAY, **changed)


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (day(), [":white_check_mark: All 105 checks hold.", "Daily run finished: 22 Nov 06:05 UTC"]),
        (
            day(
                marts={"staging": {"passed": 63, "Warning": 1, "ERROR": 1}, "marketing": {"passed": 40}},
                stale=(MartState("marketing/fact_repeat_rate", False, YESTERDAY),),
            ),
            [
                "Not all figures are current: 1 ERROR, 1 warning. Marketing figures are from 21 Nov 06:04 UTC.",
            ],
        ),
        (day(marts={"staging": {"passed": 9, "Warning": 1}}), [":warning: All figures were refreshed: 1 warning."]),
        (
            day(marts={"staging": {"passed": 9, "unknown": 3}}),
            [":warning: Not all checks were evaluated: 3 checks not evaluated."],
        ),
        (day(marts={}), ["No check was evaluated."]),
        (
            day(is_complete=False, stale=STALE[:1]),
            [
                ":warning: The daily run did not build all of its tables and evaluate all of its checks. "
                "Marketing figures are from 21 Nov 06:04 UTC."
            ],
        ),
        (
            day(is_complete=False, marts={"staging": {"passed": 9, "unknown": 3}}),
            [":warning: The daily run did not build all of its tables and evaluate all of its checks: 3 checks not"],
        ),
        (
            day(finished_at=None, is_late=True, stale=STALE),
            [
                ":hourglass: The daily run did not finish by 07:00 UTC. "
                "Core and marketing figures are from 21 Nov 06:04 UTC.",
                "Not refreshed, still with the data of 21 Nov 06:04 UTC: core: fact_orders; marketing:",
            ],
        ),
        (day(is_late=True), ["All 105 checks hold.", "The daily run finished later than 07:00 UTC."]),
        (
            day(finished_at=None, failed_at=FAILED_AT, stale=STALE[:1]),
            [":octagonal_sign: The daily run failed at 06:01 UTC. Marketing figures are from 21 Nov 06:04 UTC."],
        ),
        (
            day(finished_at=None, failed_at=FAILED_AT, is_late=True),
            [":octagonal_sign: The daily run failed at 06:01 UTC and did not finish by 07:00 UTC."],
        ),
        (
            day(stale=(MartState("snapshots/orders_snapshot", False, YESTERDAY, "core"),)),
            ["Not all figures are current. Core figures are from 21 Nov 06:04 UTC."],
        ),
        (
            day(stale=(MartState("core/new", False, None),)),
            ["Core figures are not there yet.", "Never built yet: core: new"],
        ),
    ],
)
def test_the_verdict_is_one_sentence(facts: DigestFacts, says: list[str]) -> None:
    message = digest_message(facts, READER)
    assert_slack_takes(message)
    assert title(message) == "State of the data, Sunday 22 November"
    for part in says:
        assert part in shown(message)


@pytest.mark.parametrize(
    ("facts", "mark"),
    [
        (day(), "white_check_mark"),
        (day(open_incidents=(incident(),)), "octagonal_sign"),
        (day(open_incidents=(incident(severity=Severity.WARN), incident())), "octagonal_sign"),
        (day(open_incidents=(incident(severity=Severity.WARN),)), "warning"),
        (day(marts={"core": {"passed": 1, "ERROR": 1}}, silenced=((incident(), SILENCE),)), "warning"),
        (day(finished_at=None, failed_at=FAILED_AT), "octagonal_sign"),
        (day(finished_at=None, is_late=True), "hourglass"),
        (day(finished_at=None, is_late=True, open_incidents=(incident(),)), "octagonal_sign"),
    ],
)
def test_the_mark_is_that_of_the_gravest_open_problem(facts: DigestFacts, mark: str) -> None:
    assert f" :{mark}: " in shown(digest_message(facts, READER))


def test_counts_stand_in_an_aligned_table() -> None:
    said = shown(digest_message(GOOD_DAY, READER))
    assert (
        "staging      65      0        0     0              0\nmarketing    40      0        0     0              0"
        in said
    )


def test_figures_stand_in_a_line_and_what_moved_in_the_next_ones() -> None:
    moved = "Since 21 Nov: repeat rate from 79.3 % to 79.8 %.\nBecause of new data of 21 Nov."
    said = digest_message(day(changes=moved), READER)
    assert f"*Key figures:* repeat rate 79.8 %, conversion rate 62.4 %\n{moved}" in texts(said, "mrkdwn")
    assert "Since" not in shown(digest_message(GOOD_DAY, READER))
    assert "Key figures" not in shown(digest_message(day(figures={}, changes=moved), READER))
    assert "Key figures" not in shown(digest_message(day(figures={}), READER))


def test_open_incidents_come_with_age_owner_and_who_is_on_them() -> None:
    facts = day(
        open_incidents=(
            incident(opened_at=OPENED_AT - timedelta(days=2), acknowledged_by="alex"),
            incident(severity=Severity.WARN),
        )
    )
    message = digest_message(facts, READER)
    assert "for 2 days, since 20 Nov 06:05 UTC · working on it: alex · owner: data-platform" in shown(message)
    assert "new, since 22 Nov 06:05 UTC" in shown(message)
    assert "Open (2)" in shown(message)
    assert mentions(message) == []


def test_more_incidents_than_fit_are_counted() -> None:
    facts = day(open_incidents=tuple(incident(name=f"check_{n}") for n in range(40)))
    message = digest_message(facts, READER)
    told = shown(message).count("since 22 Nov")
    assert told == 10
    assert "30 more" in shown(message)


@pytest.mark.parametrize("reason", NASTY)
def test_a_silence_says_why_and_until_when_literally(reason: str) -> None:
    facts = day(silenced=((incident(subject=Subject("a/b", "c", reason)), Silence("*", "*", reason, UNTIL)),))
    message = digest_message(facts, READER)
    assert_slack_takes(message)
    assert mentions(message) == []
    assert "until 1 Dec 06:00 UTC" in shown(message)
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069]", shown(message))
    if len(reason.strip()) > 4:
        assert not any(reason[:40] in text for text in texts(message, "mrkdwn"))
        assert reason[:40] not in message.text or reason.isalpha()


counts = st.dictionaries(st.sampled_from(sorted(COLUMNS)), huge)
silenced = st.tuples(incidents(), st.builds(Silence, anything, anything, anything, times))
states = st.builds(MartState, anything, st.just(False), st.none() | times)


@settings(deadline=None, max_examples=30)
@given(
    st.builds(
        DigestFacts,
        day=st.dates(date(2020, 1, 1), date(2030, 1, 1)),
        finished_at=st.none() | times,
        failed_at=st.none() | times,
        expected_by=st.times(),
        is_late=st.booleans(),
        marts=st.dictionaries(anything, counts, max_size=20),
        open_incidents=st.lists(incidents(), max_size=3).map(lambda some: tuple(some * 8)),
        silenced=st.lists(silenced, max_size=2).map(lambda some: tuple(some * 4)),
        figures=st.dictionaries(anything, st.floats(), max_size=20),
        stale=st.lists(states, max_size=40).map(tuple),
        changes=anything,
    )
)
def test_whatever_a_day_brings_slack_takes_its_message(facts: DigestFacts) -> None:
    message = digest_message(facts, READER)
    assert_slack_takes(message)
    assert mentions(message) == []


mixed = st.lists(
    st.builds(
        lambda n, is_error, affects: incident(
            name=f"check_{n}", severity=Severity.ERROR if is_error else Severity.WARN, affects=affects
        ),
        st.integers(0, 999),
        st.booleans(),
        st.sampled_from(["", "revenue", "no figure"]),
    ),
    min_size=2,
    max_size=9,
)


@settings(deadline=None, max_examples=30)
@given(mixed)
def test_every_message_counts_alike_and_lists_errors_first(some: list[Incident]) -> None:
    counted = wording.tally(wording.counts(each.finding for each in some))
    said = shown(digest_message(day(open_incidents=tuple(some)), READER))
    assert f": {counted}.\n" in said
    assert f": {counted}. Worst: " in title(group_message(some, READER))
    for listed in (said, shown(group_message(some, READER))):
        words = re.findall(r"(ERROR|Warning|Note): ", listed)
        assert sorted(words, key=lambda word: word != "ERROR") == words
        assert sum(word == "ERROR" for word in words) == sum(each.finding.severity == Severity.ERROR for each in some)
