"""Facts and figures for tests of the page: a good day, from which each test takes what it needs otherwise."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from greenery_assets.alerts.incidents import Outcome, Severity, Subject
from greenery_assets.report.facts import CheckFacts, DailyRunFacts, PastRun, ReportFacts, SourceFacts, Standing
from greenery_assets.report.figures import (
    Conversion,
    Day,
    Deliveries,
    Figures,
    FunnelStep,
    Hour,
    Indicator,
    ProductConversion,
    RepeatRate,
    Spread,
    StateViews,
    Stockout,
    with_band,
)
from greenery_assets.report.page import Reader

NOW = datetime(2026, 11, 24, 6, 5, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1, minutes=1)
READER = Reader(ZoneInfo("UTC"), "http://dagster.example")
OUTCOMES = {
    Standing.PASSED: Outcome.PASSED,
    Standing.WARNED: Outcome.FAILED,
    Standing.FAILED: Outcome.FAILED,
    Standing.UNKNOWN: Outcome.UNKNOWN,
}
RUN = DailyRunFacts("4f6c8a1e", NOW - timedelta(minutes=5), None)


def check(name: str = "order_has_at_most_one_checkout", **changed: Any) -> CheckFacts:
    """A check of staging that holds, or as changed; without a past of its own it has one run like its standing."""
    standing = changed.setdefault("standing", Standing.PASSED)
    is_errored = changed.pop("is_errored", False)
    facts: dict[str, Any] = {
        "subject": Subject(changed.pop("asset", "staging/stg_events"), name),
        "outcome": Outcome.ERRORED if is_errored else OUTCOMES[standing],
        "severity": Severity.ERROR if standing == Standing.FAILED else Severity.WARN,
        "group": "staging",
        "assumption": "A03",
        "statement": "An order has at most one checkout event.",
        "owner": "data-platform@greenery.example",
        "why": "Conversion would count the order twice.",
        "remedy": "Drop the copy at the source.",
        "past": (PastRun(standing, NOW),),
    }
    return CheckFacts(**facts | changed)


def facts(*checks: CheckFacts, **changed: Any) -> ReportFacts:
    """A day on which these checks stand so."""
    known: dict[str, Any] = {
        "made_at": NOW,
        "run": RUN,
        "checks": checks or (check(),),
        "sources": (SourceFacts("events", NOW, 3_996, 0, NOW - timedelta(hours=7)),),
        "built_at": {"core/dim_orders": NOW, "marketing/fact_repeat_rate": NOW},
    }
    known |= changed
    begun = known["run"].started_at if known["run"] else NOW
    # Clocks are right here: what was built since the run began was built by it, or by a run since.
    stale = {table for table, at in known["built_at"].items() if at and at < begun}
    known["not_built"] = stale | set(known.get("not_built", ()))
    return ReportFacts(**known, groups={table: table.split("/")[0] for table in known["built_at"]})


def days(number: int = 10) -> list[Day]:
    """So many days up to yesterday, with a few orders each."""
    last = NOW.date() - timedelta(days=1)
    return [
        Day(last - timedelta(days=n), 12 + n % 3, Decimal("1234.50"), 2, 10 + n % 3, 20, (12 + n % 3) / 20)
        for n in reversed(range(number))
    ]


def rows_by_day(number: int = 10, rows: int = 130) -> dict[date, int]:
    """So many days up to yesterday with about as many rows."""
    return {NOW.date() - timedelta(days=n): rows + n % 3 for n in range(1, number + 1)}


def figures(**changed: Any) -> Figures:
    """Figures of everything, or as changed."""
    known: dict[str, Any] = {
        "volumes": {name: with_band(rows_by_day(), NOW.date(), 3) for name in ("events", "orders")},
        "days": days(),
        "repeat": RepeatRate(124, 99, 99 / 124),
        "purchases": [25, 28, 71],
        "by_month": {date(2026, 11, 1): RepeatRate(24, 9, 9 / 24), date(2026, 10, 1): RepeatRate(100, 90, 0.9)},
        "indicators": [
            Indicator("browsed_longer", 57, 58, 0, 0.75, 0.84, -0.09, -0.23, 0.06),
            Indicator("package_never_received", 0, 31, 84, None, 0.6, None, None, None),
            Indicator("delivery_took_too_long", 46, 32, 37, 0.5, 0.9, -0.4, -0.6, -0.2),
        ],
        "conversion": Conversion(578, 361, 361 / 578, 359, 300, 300 / 359),
        "products": 2,
        "conversion_by_product": [
            ProductConversion("Pothos", 61, 21, 21 / 61),
            ProductConversion("Cactus", 0, 0, None),
        ],
        "funnel": [
            FunnelStep("visited", 578, None, None),
            FunnelStep("added_to_cart", 467, 578, 1 - 467 / 578),
            FunnelStep("checked_out", 361, 467, 1 - 361 / 467),
        ],
        "funnel_by_product": [
            FunnelStep(step, sessions, previous, drop_off, name)
            for name in ("Pothos", "Cactus")
            for step, sessions, previous, drop_off in (
                ("viewed", 61, None, None),
                ("added_to_cart", 41, 61, 1 - 41 / 61),
                ("bought", 21, 41, 1 - 21 / 41),
            )
        ],
        "spent": {
            "page_view": Spread(400, 18, 35, 48, 59, 81),
            "checkout": Spread(393, 7_200, 10_800, 18_000, 25_200, 32_400),
        },
        "deliveries": Deliveries(361, 305, 280, 259, 173, Spread(305, 7_200, 1e4, 18_000, 25_200, 32_400), None),
        "states": [StateViews("Texas", 25, 353, 137, 137 / 353), StateViews("Ohio", 3, 10, 10, 1.0)],
        "hours": [Hour(hour, 2, 10 + hour, 20 + hour) for hour in range(24)],
        "out_of_stock": 1,
        "stockouts": [
            Stockout("Pothos", datetime(2026, 11, 23, 6, 4), None),
            Stockout("Pothos", datetime(2026, 11, 1, 6), datetime(2026, 11, 3, 6)),
        ],
    }
    return Figures(**known | changed)


EMPTY = figures(
    volumes={"events": [], "orders": []},
    days=[],
    repeat=RepeatRate(0, 0, None),
    purchases=[0, 0, 0],
    by_month={},
    indicators=[Indicator("browsed_longer", 0, 0, 0, None, None, None, None, None)],
    conversion=Conversion(0, 0, None, 0, 0, None),
    conversion_by_product=[ProductConversion("Pothos", 0, 0, None)],
    products=1,
    funnel=[FunnelStep("visited", 0, None, None), FunnelStep("added_to_cart", 0, 0, None)],
    funnel_by_product=[FunnelStep("viewed", 0, None, None, "Pothos"), FunnelStep("bought", 0, 0, None, "Pothos")],
    spent={},
    deliveries=Deliveries(0, 0, 0, 0, 0, None, None),
    states=[],
    hours=[],
    out_of_stock=0,
    stockouts=[],
)
