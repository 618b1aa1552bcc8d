"""What is told of a run of the real job that a failed check stopped."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from greenery_assets.alerts.replay import replayed
from tests.alerts.real import alerts_here
from tests.job import Home

pytestmark = pytest.mark.slow


def test_every_check_that_the_run_did_not_come_to_is_counted(stopped: Home, sample_dir: Path, tmp_path: Path) -> None:
    home = stopped.copy(tmp_path)
    run = home.last_outcome()
    left = set(run.planned) - run.checks.keys()
    # It lies downstream of nothing that failed.
    assert "repeat_rate_moved_little" in left
    with alerts_here(home, sample_dir) as alerts:
        told = [out.message.text for _, out in replayed(alerts, datetime.now(UTC) - timedelta(days=1))]
    assert any(f"*Not evaluated because of this:* {len(left)} checks" in text for text in told)
