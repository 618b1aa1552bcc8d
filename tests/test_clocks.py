"""Clocks that are wrong, and zones that are not UTC: neither changes a table.

The clock is set with libfaketime for a whole `make run`, dbt included.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from bench.warehouse import differences
from greenery_assets.sample import SampleSpec, generate
from tests.conftest import yesterday
from tests.dbt_here import BenchHere
from tests.job import Home

pytestmark = [
    pytest.mark.slowest,
    # dbt in this process leaves a log file open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]


def libfaketime() -> str:
    """The library that sets the clock of a process and its children."""
    for path in sorted(Path("/usr/lib").glob("**/faketime/libfaketimeMT.so.1")):
        return str(path)
    pytest.skip("libfaketime is not installed (Debian: apt-get install faketime)")


def run_at(home: Home, source: Path, clock: str, zone: str) -> None:
    """`make run` under a clock that is off by so much ("+3h"), in a time zone; every check that ERRORs must hold."""
    # A fake time of files would make each run find all of them changed.
    faked = {"LD_PRELOAD": libfaketime(), "FAKETIME": clock, "NO_FAKE_STAT": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TZ": zone, **(faked if clock else {})}.items():
            patch.setenv(name, value)
        done = home.command(source, "run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_clock_that_is_set_back_and_another_zone_change_no_table(tmp_path: Path) -> None:
    source, home = tmp_path / "source", Home.new(tmp_path)
    runs = [("+3h", "Asia/Tokyo"), ("", "America/Los_Angeles"), ("-5y", "UTC")]
    for days_ago, (clock, zone) in zip((2, 1, 0), runs, strict=True):
        generate(SampleSpec(until=yesterday().date() - timedelta(days=days_ago), days=12), source)
        run_at(home, source, clock, zone)
        assert states_that_do_not_follow_one_another(home) == []
    full = BenchHere(tmp_path / "full" / "greenery.duckdb", source)
    full.load()
    full.build("build", "--exclude-resource-type", "test")
    assert differences(home.warehouse, full.warehouse) == {}


def states_that_do_not_follow_one_another(home: Home) -> list[tuple[object, ...]]:
    """States of an order that end before they begin, or do not end when the next one begins."""
    return home.query(
        "select order_id, dbt_valid_from, dbt_valid_to from (select *, lead(dbt_valid_from) over "
        "(partition by order_id order by dbt_valid_from) as next_from from snapshots.orders_snapshot) "
        "where dbt_valid_to <= dbt_valid_from or dbt_valid_to is distinct from next_from"
    )
