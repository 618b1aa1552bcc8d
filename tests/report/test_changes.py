"""What moved since an earlier day, and because of which days: in a line or two, nothing of what did not move."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from greenery_assets.report.changes import Changes, changes, record_of
from greenery_assets.report.facts import Earlier, ReportFacts, Standing
from greenery_assets.report.figures import Conversion, Day, Figures, RepeatRate, Totals, with_band
from tests.report.builders import NOW, RUN, check, days, facts, figures, rows_by_day

UTC = ZoneInfo("UTC")
DAYS, ROWS = days(), rows_by_day()
THEN = NOW - timedelta(days=1)
LAST, OLD = max(ROWS), date(2026, 11, 18)
TOTALS = Totals(10, 361, Decimal("85000.00"))


def data(rows: dict[date, int] = ROWS, by_day: list[Day] = DAYS, **changed: Any) -> Figures:
    """Figures of so many events and orders a day."""
    volumes = {name: with_band(rows, NOW.date(), 3) for name in ("events", "orders")}
    return figures(volumes=volumes, days=by_day, totals=changed.pop("totals", TOTALS), **changed)


def left(of: Figures, **day: Any) -> Earlier:
    """What the page of yesterday kept of these figures, as Dagster gives it back."""
    record = record_of(facts(**day), of)
    assert record
    return Earlier(THEN, json.loads(json.dumps(record)))


def moved(now: Figures, then: Figures, day: ReportFacts | None = None) -> Changes:
    return changes(day or facts(), now, left(then), UTC)


def test_each_figure_that_moved_is_listed_and_no_other() -> None:
    after = data(
        repeat=RepeatRate(125, 100, 0.8), totals=Totals(11, 372, Decimal("86234.50")), rows=ROWS | {NOW.date(): 9}
    )
    found = moved(after, data())
    assert found.lines == (
        "Since 23 Nov: repeat rate from 79.8 % to 80.0 %, orders from 361 to 372, "
        "revenue from $85,000.00 to $86,234.50.",
        "Because of new data of 24 Nov.",
    )
    assert found.section.lead == found.lines
    assert found.section.views[0].table.rows[0] == ("repeat rate", "79.8 %", "80.0 %")
    assert found.section.note == "Days of data are UTC."
    # What people read is the same: that is no change.
    unread = data(repeat=RepeatRate(124_000, 99_001, 99_001 / 124_000))
    assert moved(unread, data()).lines == ("No headline figure has changed since 23 Nov.",)
    assert moved(unread, data()).section.views == ()


OTHER = [replace(day, revenue=day.revenue + 2) if day.day == OLD else day for day in DAYS]
FIRSTS = [replace(day, first_orders=3, returning_orders=9) if day.day == OLD else day for day in DAYS]


@pytest.mark.parametrize(
    ("rows", "by_day", "because"),
    [
        (ROWS | {NOW.date(): 5}, DAYS, "Because of new data of 24 Nov."),
        # That day was not over when the earlier page was made.
        (ROWS | {LAST: 500}, DAYS, "Because of new data of 23 Nov."),
        # Fewer rows are no new ones, whether that day was over or not.
        (ROWS | {LAST: 1}, DAYS, "Because of changed data of 23 Nov."),
        ({day: n for day, n in ROWS.items() if day != LAST}, DAYS[:-1], "Because of changed data of 23 Nov."),
        (ROWS | {OLD: 500}, DAYS, "Because of late data of 18 Nov."),
        # A short history has no day that left the year.
        ({day: n for day, n in ROWS.items() if day != min(ROWS)}, DAYS[1:], "Because of changed data of 14 Nov."),
        # A day to come, which one wrong date brings.
        (ROWS, [*DAYS, replace(DAYS[-1], day=NOW.date() + timedelta(days=900))], "Because of changed data of 12 May."),
        (ROWS, OTHER, "Because of changed data of 18 Nov."),
        (ROWS, FIRSTS, "Because of changed data of 18 Nov."),
        (ROWS | {OLD: 1}, DAYS, "Because of changed data of 18 Nov."),
        ({day: n for day, n in ROWS.items() if day != OLD}, [day for day in DAYS if day.day != OLD],
         "Because of changed data of 18 Nov."),
        (
            ROWS | {NOW.date(): 5, OLD: 500, OLD + timedelta(days=1): 500}, OTHER[:2] + DAYS[2:],
            "Because of new data of 24 Nov, late data of 18 Nov and 19 Nov.",
        ),
        ({day: n + 1 for day, n in ROWS.items()}, DAYS,
         "Because of new data of 23 Nov, late data of 9 days (14 Nov to 22 Nov)."),
        (ROWS, DAYS, "No day of the last year has other data: older data, or how figures are computed, has changed."),
    ],
)  # fmt: skip
def test_the_days_whose_data_moved_them_are_named(rows: dict[date, int], by_day: list[Day], because: str) -> None:
    found = moved(data(rows, by_day, conversion=Conversion(579, 361, 361 / 579, 359, 300, 300 / 359)), data())
    assert found.lines == ("Since 23 Nov: conversion rate from 62.5 % to 62.3 %.", because)


def test_a_whole_day_that_was_missing_and_came_is_late() -> None:
    without = {day: n for day, n in ROWS.items() if day != OLD}
    before = data(without, [day for day in DAYS if day.day != OLD], totals=Totals(9, 349, Decimal(1)))
    assert moved(data(), before).lines[1] == "Because of late data of 18 Nov."


def test_days_that_left_the_year_are_no_change() -> None:
    year = {NOW.date() - timedelta(days=n): 130 for n in range(1, 500)}
    after = data({**year, NOW.date(): 130}, totals=Totals(500, 400, Decimal(1)))
    assert moved(after, data(year)).lines[1] == "Because of new data of 24 Nov."


def test_without_something_to_compare_with_it_says_so() -> None:
    nothing = "There is nothing to compare with yet: no run of an earlier day was complete."
    assert changes(facts(), data(), None, UTC).lines == (nothing,)
    assert changes(facts(run=None), Figures(), None, UTC).lines == (nothing,)
    unread = changes(facts(), Figures(is_read=False), left(data()), UTC)
    assert unread.lines == ("What changed is not known, as the figures could not be read.",)
    assert changes(facts(is_sample=True), data(), left(data()), UTC).lines == (
        "There is nothing to compare with: since 23 Nov the tables hold sample data.",
    )
    gone = "Not known any more, as their tables cannot be read: repeat rate."
    assert moved(data(repeat=None), data()).lines == (gone,)
    also = moved(data(repeat=None, totals=Totals(10, 362, TOTALS.revenue)), data())
    assert also.lines[:2] == (gone, "Since 23 Nov: orders from 361 to 362.")


def test_nothing_moved_on_a_day_whose_run_left_tables_out_is_no_good_news() -> None:
    found = moved(data(), data(), facts(not_built=["product/fact_daily"]))
    assert found.lines == ("No headline figure has changed since 23 Nov. The last run did not refresh all tables.",)
    # The days of raw tables may be newer than the figures.
    part = moved(data(totals=Totals(10, 362, TOTALS.revenue)), data(), facts(not_built=["product/fact_daily"]))
    assert part.lines[1].endswith("has changed. The last run did not refresh all tables.")


@pytest.mark.parametrize(
    "day",
    [
        facts(not_built=["core/dim_orders"]),
        facts(run=None),
        facts(run=replace(RUN, ended_at=NOW, how_it_ended="failed")),
        # Its page is written before it ends.
        facts(check(standing=Standing.FAILED)),
        facts(run=replace(RUN, ended_at=NOW, how_it_ended="was canceled")),
    ],
)
def test_only_a_complete_run_is_compared_with_later(day: ReportFacts) -> None:
    assert record_of(day, data()) is None
    assert record_of(facts(), Figures(is_read=False)) is None
    assert record_of(facts(), data())


def test_days_are_those_of_the_readers_calendar() -> None:
    late = Earlier(THEN.replace(hour=20), left(data()).record)
    now = data(totals=Totals(10, 362, TOTALS.revenue))
    assert changes(facts(), now, late, ZoneInfo("Asia/Tokyo")).lines[0].startswith("Since 24 Nov: ")
