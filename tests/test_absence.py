"""What was planned and is not there is no success: dbt that leaves out a table or a check fails the run."""

from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import RunJob
from tests.dbt_forked import MORE_ARGUMENTS
from tests.job import Home, Outcome

pytestmark = pytest.mark.slow

LEFT_OUT = ("fact_daily", "order_has_at_most_one_checkout")


@pytest.mark.slowest
def test_a_table_and_a_check_that_dbt_leaves_out_fail_the_run_and_are_named(
    built: tuple[Home, Outcome], sample_dir: Path, run_job: RunJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = built[0].copy(tmp_path)
    monkeypatch.setenv(MORE_ARGUMENTS, " ".join(("--exclude", *LEFT_OUT)))
    outcome = run_job(home, sample_dir)
    assert outcome.failing == {}
    assert not outcome.success
    assert "product/fact_daily" not in outcome.built
    assert "order_has_at_most_one_checkout" in set(outcome.planned) - set(outcome.checks)
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        [run] = instance.get_runs(limit=1)
        said = [
            str(event.step_failure_data.user_failure_data.description)
            for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
            if (event := entry.dagster_event) and event.step_failure_data.user_failure_data
        ]
    assert len(said) == 1
    # With the table go the checks on it, and those beyond a few are counted.
    for part in ("did not build 1 planned table (product/fact_daily)", "not evaluate 6 planned checks (fact_daily_"):
        assert part in said[0]
