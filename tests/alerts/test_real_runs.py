"""What is told of a run of the real job that a failed check stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from greenery_assets.alerts.dispatch import replayed
from tests.alerts.real import alerts_here
from tests.conftest import RunJob
from tests.job import ALL_SCHEMAS, Home, Outcome

pytestmark = pytest.mark.slow


def test_every_check_that_the_run_did_not_come_to_is_counted(stopped: Home, sample_dir: Path, tmp_path: Path) -> None:
    home = stopped.copy(tmp_path)
    run = home.last_outcome()
    left = set(run.planned) - run.checks.keys()
    # It lies downstream of nothing that failed.
    assert "repeat_rate_moved_little" in left
    with alerts_here(home, sample_dir) as alerts:
        told = [row.text for _, row in replayed(alerts, datetime.now(UTC) - timedelta(days=1))]
    assert any(f"*Not evaluated because of this:* {len(left)} checks" in text for text in told)


@pytest.mark.slowest
def test_a_source_that_is_missing_a_second_time_is_notified_again_and_each_time_with_the_cause(
    built: tuple[Home, Outcome], sample_dir: Path, run_job: RunJob, tmp_path: Path
) -> None:
    """And the tables are identical after each of these runs: one on the same source as before, two on none."""
    home = built[0].copy(tmp_path)
    before = home.fingerprints(ALL_SCHEMAS)
    missing = tmp_path / "missing"
    with alerts_here(home, sample_dir) as alerts:
        alerts.begin()
        for source in (missing, sample_dir, missing):
            outcome = run_job(home, source)
            assert outcome.failing == {}
            assert outcome.success is (source == sample_dir)
            assert home.fingerprints(ALL_SCHEMAS) == before
            alerts.run_pass()
        with alerts.ledger.transaction() as book:
            first = [
                row.text
                for row in book.sent(99)
                if row.root is None and "today's run failed: the warehouse" in row.text and "State of" not in row.text
            ]
    assert len(first) == 2
    for text in first:
        assert f"{missing}" in text
        assert "checks not evaluated" in text
    assert "*Again,* for the 2nd time" in first[1]
