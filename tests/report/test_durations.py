"""How long it takes: the slowest beside their usual time, and what gets slower; runs of one kind only are compared."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from greenery_assets.report.durations import Row, last_run, section

START = datetime(2026, 11, 1, 6)
UTC = ZoneInfo("UTC")


def runs(*kinds_and_seconds: tuple[str, dict[str, float]]) -> list[Row]:
    """A run a day of such a kind, in which these took so long."""
    return [
        (START + timedelta(days=day), kind, "test" if name.startswith("is_") else "model", name, seconds)
        for day, (kind, took) in enumerate(kinds_and_seconds)
        for name, seconds in took.items()
    ]


def daily(*seconds: float, name: str = "product.int_page_views") -> list[Row]:
    return runs(*(("affected days", {name: each, "is_unique": 1.0}) for each in seconds))


def said(rows: Iterable[Row]) -> str:
    return " ".join(section(last_run(rows, UTC)).lead)


def test_the_five_slowest_of_the_last_run_stand_beside_their_usual_time() -> None:
    took = {f"core.t{n}": float(n) for n in range(1, 9)}
    rows = runs(*[("affected days", took)] * 3, ("affected days", took | {"core.t8": 30.0, "core.new": 20.0}))
    part = section(last_run(rows, UTC))
    (view,) = part.views
    assert view.table.rows == (
        ("core.t8", "30.0 seconds", "8.0 seconds"),
        ("core.new", "20.0 seconds", "no earlier run"),
        ("core.t7", "7.0 seconds", "7.0 seconds"),
        ("core.t6", "6.0 seconds", "6.0 seconds"),
        ("core.t5", "5.0 seconds", "5.0 seconds"),
    )
    assert part.lead[0] == (
        "The last complete run (4 Nov, affected days) is compared with 3 earlier runs of its kind. "
        "Slowest: core.t8, 30.0 seconds (usually 8.0 seconds)."
    )


def test_runs_of_another_kind_are_not_compared() -> None:
    day, sunday = ("affected days", {"is_unique": 2.0}), ("all checks", {"is_unique": 90.0})
    assert "2 earlier runs of its kind. Slowest: check “is unique”, 2.0 seconds (usually 2.0 seconds)" in said(
        runs(day, day, sunday, day)
    )
    assert "run (3 Nov, all checks) is the first of its kind. Slowest: check “is unique”, 90.0 seconds." in said(
        runs(day, day, sunday)
    )


def test_what_takes_clearly_longer_for_three_runs_in_a_row_gets_slower() -> None:
    slower = "Clearly slower than before: product.int_page_views, "
    assert f"{slower}20.0 seconds (usually 10.5 seconds), for 3 runs." in said(daily(10, 11, 10, 9, 17, 18, 20))
    assert "for 4 runs" in said(daily(10, 11, 10, 9, 17, 18, 20, 20))
    nothing = "Nothing took clearly longer than before for 3 runs in a row."
    # Once or twice, by little, and for parts of a second.
    short = (0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9)
    for seconds in ((10, 11, 10, 9, 10, 18, 20), (10, 11, 10, 9, 17, 18, 10), (10, 10, 10, 10, 14, 14, 14), short):
        assert nothing in said(daily(*seconds)), seconds


def test_too_few_runs_say_nothing_and_none_says_so() -> None:
    assert "There are too few runs of that kind to say what gets slower." in said(daily(10, 10, 20, 20, 20))
    assert "gets slower" not in said(daily(10, 10, 10, 20, 20, 20))
    assert said([]) == "No complete run has noted yet how long it took."
    assert section(last_run([], UTC)).views == ()


def test_the_day_of_a_run_is_that_of_the_readers_calendar() -> None:
    # That is 12:00 on 2 November in Auckland.
    rows = [(datetime(2026, 11, 1, 23), "affected days", "model", "core.dim_users", 1.0)]
    for zone, day in (("UTC", "1 Nov"), ("Pacific/Auckland", "2 Nov")):
        assert f"The last complete run ({day}, affected days)" in section(last_run(rows, ZoneInfo(zone))).lead[0]
