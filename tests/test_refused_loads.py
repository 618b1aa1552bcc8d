"""Absence is not success: a source that lost its rows, or whose rows were rejected, stops before it is published."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenery_assets.sample import SampleSpec, generate
from tests.conftest import RunJob, yesterday
from tests.job import Home, Outcome

pytestmark = pytest.mark.slow

TABLES = ("addresses", "events", "order_items", "orders", "products", "promos", "users")
KEPT, ACCEPTED = "kept_their_rows", "rows_were_mostly_accepted"
ALL_SCHEMAS = ("raw", "staging", "core", "marketing", "product", "snapshots")


def defect(name: str) -> Callable[[Path], None]:
    def plant(source: Path) -> None:
        generate(SampleSpec(until=yesterday().date(), defects=(name,)), source)

    return plant


def half_broken(source: Path) -> None:
    """Every table has as many lines that are no row of it as it has rows."""
    generate(SampleSpec(until=yesterday().date()), source)
    for table in TABLES:
        path = source / f"{table}.csv"
        with path.open("a") as file:
            file.write("one field\n" * (len(path.read_text().splitlines()) - 1))


def emptied(source: Path) -> None:
    """As the real header-only exports: made by hand, so that the test does not rest on the defect."""
    generate(SampleSpec(until=yesterday().date()), source)
    for path in source.glob("*.csv"):
        path.write_text(path.read_text().partition("\n")[0] + "\n")


REFUSED: Mapping[str, tuple[Callable[[Path], None], set[str]]] = {
    "header_only": (emptied, {f"{table}_{KEPT}" for table in TABLES}),
    "half of the rows rejected": (half_broken, {f"{table}_{ACCEPTED}" for table in TABLES}),
    # What was rejected to the last row is a table without rows too.
    "decimal_comma": (defect("decimal_comma"), {f"order_items_{ACCEPTED}", f"order_items_{KEPT}"}),
    "rows_lost": (defect("rows_lost"), {f"order_items_{KEPT}"}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_source_that_lost_its_rows_stops_everything_and_the_tables_keep_theirs(
    name: str, built: tuple[Home, Outcome], run_job: RunJob, tmp_path: Path
) -> None:
    plant, expected = REFUSED[name]
    home, source = built[0].copy(tmp_path), tmp_path / "source"
    plant(source)
    before = home.fingerprints(ALL_SCHEMAS)
    outcome = run_job(home, source, new_source=True)
    assert not outcome.success
    assert set(outcome.failing) == expected
    assert set(outcome.failing_errors) == expected
    assert set(outcome.checks) == {f"{t}_{check}" for t in TABLES for check in (KEPT, ACCEPTED)} | {
        "slack_messages_arrive"
    }
    assert outcome.built == ()
    assert home.fingerprints(ALL_SCHEMAS) == before
