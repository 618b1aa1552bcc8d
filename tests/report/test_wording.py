"""The verdict and the page's other sentences: right in number, day and time zone, for whatever came to pass."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from greenery_assets.alerts.incidents import Outcome, Severity
from greenery_assets.report.facts import ReportFacts, Standing
from greenery_assets.report.wording import (
    dollars,
    duration,
    moment,
    points,
    share,
    strip_in_words,
    tone,
    unit_of,
    verdict,
)
from tests.report.builders import NOW, RUN, YESTERDAY, check, facts

UTC_ZONE = ZoneInfo("UTC")
WARNED, FAILED = check("a", standing=Standing.WARNED), check("b", standing=Standing.FAILED)
UNKNOWN = check("c", standing=Standing.UNKNOWN)
STALE = {"core/dim_orders": NOW, "marketing/fact_repeat_rate": YESTERDAY, "marketing/fact_user_orders": YESTERDAY}
FAILED_RUN = replace(RUN, ended_at=NOW, how_it_ended="failed", problem="The source folder is missing.")


@pytest.mark.parametrize(
    ("day", "said", "how"),
    [
        (facts(check("a"), check("b")), "All 2 checks hold.", "good"),
        (facts(WARNED, check("b")), "All figures were refreshed: 1 warning.", "warn"),
        (facts(WARNED, FAILED, check("d")), "Not all figures are current: 1 ERROR, 1 warning.", "bad"),
        (
            facts(FAILED, UNKNOWN, check("d"), built_at=STALE),
            "Not all figures are current: 1 ERROR, 1 check not evaluated. Marketing figures are from yesterday 06:04.",
            "bad",
        ),
        (facts(UNKNOWN, check("d")), "Not all checks were evaluated: 1 check not evaluated.", "warn"),
        (facts(check("a"), run=None, built_at={}), "The check holds.", "good"),
        (
            facts(check("a"), built_at={"core/dim_orders": None, "product/fact_daily": None}),
            "Not all figures are current: 2 tables not built. Core and product figures are not there yet.",
            "bad",
        ),
        (
            facts(check("a"), built_at={f"{mart}/x": None for mart in ("core", "marketing", "product")}),
            "Not all figures are current: 3 tables not built. Core, marketing and product figures are not there yet.",
            "bad",
        ),
        (
            facts(check("a"), run=FAILED_RUN, built_at=STALE),
            "Today's run failed. Marketing figures are from yesterday 06:04.",
            "bad",
        ),
        (facts(FAILED, run=FAILED_RUN), "Not all figures are current: 1 ERROR.", "bad"),
        # Also where no figure of a mart is old, what was left out is not passed over.
        (facts(check("a"), not_built=["staging/stg_events"]), "Not all figures are current: 1 table not built.", "bad"),
        (facts(WARNED, not_built=["staging/stg_events"]), "Not all figures are current: 1 warning.", "bad"),
        # Mended since, by runs of parts: how the daily one ended matters to nobody.
        (facts(check("a"), run=FAILED_RUN, built_at={"core/dim_orders": NOW}), "The check holds.", "good"),
        (
            facts(UNKNOWN, check("d"), run=replace(FAILED_RUN, how_it_ended="was canceled"), built_at=STALE),
            "Today's run was canceled: 1 check not evaluated. Marketing figures are from yesterday 06:04.",
            "bad",
        ),
    ],
)
def test_the_verdict_is_one_sentence(day: ReportFacts, said: str, how: str) -> None:
    assert verdict(day, UTC_ZONE) == said
    assert tone(day) == how


@pytest.mark.parametrize(
    ("at", "zone", "said"),
    [
        (NOW, "UTC", "today 06:05"),
        (NOW - timedelta(hours=7), "UTC", "yesterday 23:05"),
        (NOW - timedelta(hours=7), "Europe/Berlin", "today 00:05"),
        (datetime(2026, 11, 2, 6, 4, tzinfo=UTC), "UTC", "2 Nov 06:04"),
        (datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "UTC", "31 Dec 2025 23:30"),
        (datetime(2025, 12, 31, 23, 30, tzinfo=UTC), "Asia/Tokyo", "1 Jan 08:30"),
    ],
)
def test_a_moment_is_said_as_its_reader_counts_days(at: datetime, zone: str, said: str) -> None:
    assert moment(at, NOW, ZoneInfo(zone)) == said


@pytest.mark.parametrize(
    ("past", "said"),
    [
        ([], "No run has planned it yet."),
        ([Standing.PASSED], "1 run: 1 passed; the last passed."),
        (
            [Standing.PASSED, Standing.UNKNOWN, Standing.WARNED, Standing.FAILED],
            "4 runs: 1 passed, 1 warned, 1 failed, 1 not evaluated; the last failed.",
        ),
    ],
)
def test_the_strip_of_runs_is_there_in_words(past: list[Standing], said: str) -> None:
    assert strip_in_words(past) == said


@pytest.mark.parametrize(
    ("outcome", "severity", "standing"),
    [
        (Outcome.PASSED, Severity.ERROR, Standing.PASSED),
        (Outcome.FAILED, Severity.WARN, Standing.WARNED),
        (Outcome.FAILED, Severity.ERROR, Standing.FAILED),
        (Outcome.ERRORED, Severity.WARN, Standing.FAILED),
        (Outcome.UNKNOWN, Severity.ERROR, Standing.UNKNOWN),
    ],
)
def test_each_outcome_stands_for_something(outcome: Outcome, severity: Severity, standing: Standing) -> None:
    assert Standing.of(outcome, severity) == standing


def test_numbers_are_said_in_the_unit_that_suits_them() -> None:
    assert [duration(seconds) for seconds in (48, 300, 18_000, 320_000)] == [
        "48.0 seconds",
        "5.0 minutes",
        "5.0 hours",
        "3.7 days",
    ]
    assert duration(10_800, 25_200) == "3.0 to 7.0 hours"
    assert unit_of([]) == ("seconds", 1)
    assert (share(0.79838), share(None), points(-0.0904), points(None)) == ("79.8 %", "none", "-9.0 points", "none")


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        ("0", "$0.00"),
        ("0.125", "$0.13"),
        ("286.225", "$286.23"),
        ("286.2249", "$286.22"),
        ("1234.5", "$1,234.50"),
        ("-0.125", "$-0.13"),
    ],
)
def test_money_is_written_in_cents_rounded_half_up(amount: str, written: str) -> None:
    assert dollars(Decimal(amount)) == written


def test_a_mean_is_rounded_once() -> None:
    assert dollars(Decimal("572.45") / 2) == "$286.23"
