"""The Python judgements, bare: each seen passing, failing and at its edge."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenery_assets.checks import (
    Verdict,
    columns_match,
    day_to_judge,
    few_rows_rejected,
    is_fresh,
    moved_little,
    rows_accepted,
    rows_were_kept,
    volume_band,
    volume_is_usual,
)
from greenery_assets.presentation import row_metadata

NOW = datetime(2026, 3, 10, 6, 0)
DAY = date(2026, 3, 9)


def test_rejected_rows_are_counted_among_all_rows() -> None:
    verdict = rows_accepted("events", accepted=97, rejected=3)
    assert (verdict.passed, verdict.failing_rows, verdict.rows_checked) == (False, 3, 100)
    assert rows_accepted("events", 5, 0).passed


@pytest.mark.parametrize(
    ("verdict", "found", "use"),
    [
        (
            is_fresh("events", NOW - timedelta(hours=51), NOW, 36),
            "events are 51 h old (limit 36 h).",
            "Yesterday is missing from every traffic figure.",
        ),
        (
            is_fresh("orders", NOW - timedelta(days=2113, hours=15), NOW, 36),
            "orders are 2,113 days old (limit 36 h).",
            "The last 2,113 days are missing from every order figure.",
        ),
        (
            is_fresh("orders", NOW - timedelta(days=9), NOW, 36),
            "orders are 9 days old (limit 36 h).",
            "The last 8 days are missing from every order figure.",
        ),
        (
            is_fresh("orders", NOW - timedelta(hours=9), NOW, 6),
            "orders are 9 h old (limit 6 h).",
            "The newest order figures are incomplete.",
        ),
        (
            volume_is_usual(
                "events", dict.fromkeys([DAY - timedelta(n) for n in range(1, 9)], 147) | {DAY: 25}, DAY, 3
            ),
            "only 25 events on 9 Mar (111 to 183 expected).",
            "",
        ),
        (
            volume_is_usual("orders", dict.fromkeys([DAY - timedelta(n) for n in range(1, 9)], 16) | {DAY: 40}, DAY, 3),
            "40 orders on 9 Mar (4 to 28 expected).",
            "",
        ),
        (rows_accepted("events", 4302, 2), "2 of 4,304 event rows could not be read and were left out.", ""),
        (rows_accepted("addresses", 99, 1), "1 of 100 address rows could not be read and was left out.", ""),
        (rows_accepted("order_items", 99, 1), "1 of 100 order item rows could not be read and was left out.", ""),
        (
            moved_little("repeat rate", 0.4, 0.798, 0.1),
            "Repeat rate moved from 79.8% to 40.0%, by 39.8 percentage points (less than 10 expected).",
            "",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else value.reason,
)
def test_a_finding_is_a_headline(verdict: Verdict, found: str, use: str) -> None:
    assert not verdict.passed
    assert (verdict.reason, verdict.use) == (found, use)


def test_an_unknown_column_is_named_as_it_may_be() -> None:
    assert columns_match("events", 8, ["column 9 of events.csv"]).reason == (
        "New column in events, ignored: column 9 of events.csv."
    )
    assert columns_match("events", 8, [f"column {n}" for n in range(9, 20)]).reason.endswith("column 13 and 6 more.")


@pytest.mark.parametrize(
    ("before", "rows", "passed", "says"),
    [
        (None, 5, True, "5 rows, none before."),
        (None, 0, False, "0 rows, none before."),
        (0, 0, True, "0 rows, 0 before."),
        (0, 5, True, "5 rows, 0 before."),
        (100, 120, True, "120 rows, 100 before."),
        (100, 50, True, "50 rows, 100 before."),
        (100, 49, False, "49 rows, 100 before: 51% were lost, 50% are allowed."),
        (100, 0, False, "0 rows, 100 before: 100% were lost, 50% are allowed, and a table may not be emptied."),
    ],
)
def test_a_table_keeps_its_rows_unless_it_is_accepted(before: int | None, rows: int, passed: bool, says: str) -> None:
    verdict = rows_were_kept(before, rows, 0.5)
    assert (verdict.passed, verdict.reason) == (passed, says)
    assert verdict.failing_rows == (0 if passed else (before or 1) - rows)
    accepted = rows_were_kept(before, rows, 0.5, is_accepted=True)
    assert accepted.passed
    assert ("Accepted" in accepted.reason) is not passed


def test_a_table_is_never_emptied_whatever_share_may_be_lost() -> None:
    assert not rows_were_kept(100, 0, 1).passed
    assert rows_were_kept(100, 1, 1).passed


@pytest.mark.parametrize(
    ("read", "rejected", "passed"), [(0, 0, True), (10, 0, True), (10, 2, True), (10, 3, False), (10, 10, False)]
)
def test_few_rows_are_rejected_unless_it_is_accepted(read: int, rejected: int, passed: bool) -> None:
    verdict = few_rows_rejected(read, rejected, 0.2)
    assert (verdict.passed, verdict.failing_rows) == (passed, 0 if passed else rejected)
    assert few_rows_rejected(read, rejected, 0.2, is_accepted=True).passed


def test_an_unknown_column_is_named() -> None:
    both = columns_match("events", 8, ["campaign", "device"])
    assert "campaign, device" in both.reason
    # A further column is news to those who know of one.
    assert both.failing_rows > columns_match("events", 8, ["campaign"]).failing_rows > 0
    assert "share_of_rows" not in row_metadata(both.failing_rows, both.rows_checked), "columns are no rows"
    assert columns_match("events", 8, []).passed


@pytest.mark.parametrize(("age_hours", "passed"), [(0, True), (36, True), (36.1, False), (-0.5, True), (-2, False)])
def test_freshness_allows_exactly_the_set_age(age_hours: float, passed: bool) -> None:
    assert is_fresh("events", NOW - timedelta(hours=age_hours), NOW, 36).passed is passed


def test_an_empty_table_is_not_fresh() -> None:
    assert is_fresh("events", None, NOW, 36).passed is False


def history(rows: list[int]) -> dict[date, int]:
    """Rows by day, the last of them on DAY."""
    return {DAY - timedelta(days=len(rows) - 1 - n): count for n, count in enumerate(rows)}


@pytest.mark.parametrize(
    ("rows", "passed"),
    [
        ([100] * 7 + [100], True),
        ([100] * 7 + [140], True),
        ([100] * 7 + [141], False),
        ([100] * 7 + [59], False),
        ([0] * 7 + [1], False),
        ([90, 110, 95, 105, 100, 98, 102, 10], False),
    ],
)
def test_volume_is_judged_by_the_band(rows: list[int], passed: bool) -> None:
    assert volume_is_usual("events", history(rows), DAY, 4).passed is passed


def test_a_last_day_without_rows_is_judged() -> None:
    rows = history([100] * 10)
    del rows[DAY]
    assert volume_is_usual("events", rows, DAY, 4).passed is False


def test_a_missing_day_of_history_counts_as_zero() -> None:
    rows = history([100] * 10)
    del rows[DAY - timedelta(days=3)]
    assert "(0 to 222 expected)" in volume_is_usual("events", rows, DAY, 4).reason


@pytest.mark.parametrize("days", [1, 3, 7])
def test_too_short_a_history_passes_and_says_why(days: int) -> None:
    verdict = volume_is_usual("events", history([100] * (days - 1) + [1]), DAY, 4)
    assert verdict.passed
    assert verdict.reason == f"Not judged: {days - 1} whole days of history, 7 are needed."


def test_no_data_at_all_passes_and_says_why() -> None:
    assert volume_is_usual("events", {}, None, 4).reason.startswith("Not judged: 0 whole days")


def test_only_the_last_four_weeks_are_compared() -> None:
    assert volume_is_usual("events", history([5] * 100 + [1000] * 28 + [1000]), DAY, 4).passed


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=40), st.floats(0.1, 10))
def test_the_band_holds_the_mean_and_is_never_negative(rows: list[int], width: float) -> None:
    band = volume_band(rows, width)
    assert 0 <= band.low <= band.mean + 1e-9
    assert band.mean <= band.high + 1e-9


def test_today_is_not_a_whole_day() -> None:
    rows = {DAY: 5, DAY + timedelta(days=1): 1}
    assert day_to_judge(rows, DAY + timedelta(days=1), fresh=True) == DAY
    assert day_to_judge(rows, DAY + timedelta(days=1), fresh=False) == DAY


def test_a_yesterday_without_events_is_judged_while_the_source_is_fresh() -> None:
    rows = history([100] * 10)
    two_days_on = DAY + timedelta(days=2)
    assert day_to_judge(rows, two_days_on, fresh=True) == DAY + timedelta(days=1)
    assert not volume_is_usual("events", rows, day_to_judge(rows, two_days_on, fresh=True), 3).passed
    assert day_to_judge(rows, two_days_on, fresh=False) == DAY
    assert day_to_judge({}, DAY, fresh=False) is None


@pytest.mark.parametrize(
    ("figure", "previous", "passed"),
    [
        (0.8, None, True),
        (0.8, 0.8, True),
        (0.84, 0.8, True),
        (0.86, 0.8, False),
        (0.7, 0.8, False),
        (None, 0.8, False),
    ],
)
def test_a_figure_may_move_less_than_the_step(figure: float | None, previous: float | None, passed: bool) -> None:
    assert moved_little("repeat rate", figure, previous, 0.05).passed is passed
