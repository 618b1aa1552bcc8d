"""The expected band of each day: what A21 would have said on that day, and nothing odd from odd dates."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from greenery_assets.checks import volume_is_usual
from greenery_assets.report.figures import DAYS_SHOWN, with_band

TODAY = date(2026, 11, 24)


def rows_of(counts: list[int]) -> dict[date, int]:
    return {TODAY - timedelta(days=n): rows for n, rows in enumerate(reversed(counts))}


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.floats(0.5, 5))
def test_each_day_is_judged_as_a21_judges_it(counts: list[int], band: float) -> None:
    rows = rows_of(counts)
    volumes = with_band(rows, TODAY, band)
    assert [volume.rows for volume in volumes] == counts
    for volume in volumes[:-1]:
        # What came later is not known on the day itself.
        known = {day: count for day, count in rows.items() if day <= volume.day}
        assert volume.is_usual == volume_is_usual("events", known, volume.day, band).passed
    assert volumes[-1].low is None, "today is not over"


def test_a_day_without_rows_is_there_and_a_first_week_has_no_band() -> None:
    rows = rows_of([10] * 12)
    del rows[TODAY - timedelta(days=3)]
    volumes = with_band(rows, TODAY, 3)
    assert [volume.rows for volume in volumes[-4:]] == [0, 10, 10, 10]
    assert not volumes[-4].is_usual
    assert [volume.low is None for volume in volumes] == [True] * 7 + [False] * 4 + [True]


def test_a_mistyped_year_neither_stretches_the_page_nor_hides_the_present() -> None:
    rows = {date(1970, 1, 1): 1, date(9999, 12, 31): 1, **rows_of([10] * 30)}
    volumes = with_band(rows, TODAY, 3)
    assert (len(volumes), volumes[-1].day) == (DAYS_SHOWN, TODAY)
    assert with_band({date(9999, 12, 31): 1}, TODAY, 3) == []
    assert with_band({}, TODAY, 3) == []
