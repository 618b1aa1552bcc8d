"""The sensor as shipped, ticked by Dagster's real daemon, on runs of the real project."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from greenery_assets.alerts.runs import newest_run_end
from greenery_assets.sample import SampleSpec, generate
from tests.alerts.projects import ledger_at
from tests.conftest import yesterday
from tests.job import ROOT, Home, Outcome
from tests.slack.fake import FakeSlack

pytestmark = pytest.mark.slow

CHANNEL = "data-alerts"
SELECTION = dg.AssetSelection.assets("raw/events", "staging/stg_events")
PATIENCE_S = 120


@contextmanager
def daemon(home: Home, source: Path, slack: FakeSlack, log: Path) -> Iterator[None]:
    """Dagster's daemon on the project's own workspace."""
    environment = {
        **os.environ,
        **home.environment(source),
        "GREENERY_SLACK_TOKEN": slack.token,
        "GREENERY_SLACK_API_URL": slack.url,
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def wait_until(seen: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.2)


def run_chosen_assets(home: Home, source: Path) -> None:
    """Materialize the events as somebody does in the web interface."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.environment(source).items():
            patch.setenv(name, value)
        from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

        job = dg.define_asset_job("events_again", selection=SELECTION)
        merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
        with dg.DagsterInstance.get() as instance:
            merged.resolve_job_def("events_again").execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )


def has_read_all(home: Home) -> bool:
    """Whether the sensor knows of the newest run."""
    ledger = ledger_at(f"sqlite:///{home.dagster_home / 'alerts.sqlite'}")
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance, ledger.transaction() as book:
        newest = newest_run_end(instance)
        read = newest is not None and newest.storage_id in book.recorded([newest.storage_id])
    ledger.close()
    return read


def outcomes_of_ticks(home: Home) -> set[str]:
    """How the sensor's ticks ended; one may be under way."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        (sensor,) = (
            state for state in instance.all_instigator_state() if state.instigator_name == "failed_checks_sensor"
        )
        ticks = instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id)
        return {tick.status.value for tick in ticks} - {"STARTED"}


@pytest.mark.slowest
def test_a_planted_defect_is_told_once_and_resolved_though_slack_was_down(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home, log = built[0].copy(tmp_path), tmp_path / "daemon.log"
    broken = tmp_path / "broken"
    generate(SampleSpec(until=yesterday().date(), defects=("second_checkout",)), broken)
    # One source, whose link leads to one export after the other.
    source = tmp_path / "source"
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("update landing.source set folder = ?", [str(source)])

    def export(folder: Path) -> None:
        source.unlink(missing_ok=True)
        source.symlink_to(folder)

    export(broken)
    with FakeSlack() as slack:
        slack.add_channel(CHANNEL)
        with daemon(home, source, slack, log):
            wait_until(lambda: len(slack.messages(CHANNEL)) == 1, log)
            assert "No check fails" in slack.messages(CHANNEL)[0].text

            run_chosen_assets(home, source)
            wait_until(lambda: len(slack.messages(CHANNEL)) == 2, log)
            told = slack.messages(CHANNEL)[1]
            assert "An order has at most one checkout event." in told.text
            assert "still with the data of" in told.text
            assert "quality.order_has_at_most_one_checkout" in str(told.blocks)

            # The run did not come to the page: the daemon has it written anew.
            page = home.report / "state_of_the_data.html"
            wait_until(
                lambda: (
                    page.exists() and re.search("Not all figures are current: 1 ERROR", page.read_text()) is not None
                ),
                log,
            )

            run_chosen_assets(home, source)
            slack.stop_listening()
            export(sample_dir)
            run_chosen_assets(home, source)
            wait_until(lambda: has_read_all(home), log)
            wait_until(lambda: "Slack cannot be reached" in log.read_text(), log)
            slack.listen_again()
            wait_until(lambda: bool(slack.thread(CHANNEL, told.ts)), log)
            # Before the daemon is stopped, which may break a tick off.
            assert outcomes_of_ticks(home) == {"SKIPPED"}
            # So is what it says of a run that is stopped with it.
            said = log.read_text()

        (resolved,) = slack.thread(CHANNEL, told.ts)
        assert re.match(
            r"SAMPLE DATA · :white_check_mark: Resolved after (less than a minute|\d+ min)\.", resolved.text
        )
        # Only the events were run again.
        assert "19 tables not refreshed yet" in resolved.text
        assert "Not refreshed yet, still with the data of" in slack.messages(CHANNEL)[1].text
        assert len(slack.messages(CHANNEL)) == 2
    assert slack.token not in log.read_text()
    assert "Traceback" not in said
