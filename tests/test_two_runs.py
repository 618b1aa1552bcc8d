"""Runs that want the warehouse at the same time, and runs that were killed."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from tests.job import ROOT, Home, Outcome

pytestmark = pytest.mark.slow

MAKE_RUN = ("greenery_assets", "run")
DAGSTER_RUN = ("dagster", "job", "execute", "-m", "greenery_assets.definitions", "-j", "daily_job")


def start(home: Home, source: Path, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **home.environment(source)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def steps_of_all_runs(home: Home) -> list[tuple[float, float, str]]:
    """(start, end, run id) of each step that opens the warehouse, of each run."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        return sorted(
            (step.start_time or 0, step.end_time or 0, run.run_id)
            for run in instance.get_runs()
            for step in instance.get_run_step_stats(run.run_id)
            if step.step_key != "messages_arrive"
        )


def wait_until_at_work(home: Home, *dead: str) -> str:
    """Until a run here that is not dead has the warehouse; its id."""
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        deadline = time.monotonic() + 120
        while True:
            if at_work := instance.event_log_storage.get_concurrency_info("warehouse").active_run_ids - set(dead):
                return at_work.pop()
            assert time.monotonic() < deadline, "the run did not start"
            time.sleep(0.1)


@pytest.mark.slowest
def test_runs_started_at_once_all_succeed_one_after_the_other(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    earlier = len({run for *_, run in steps_of_all_runs(home)})
    together = [start(home, sample_dir, *command) for command in (MAKE_RUN, MAKE_RUN, DAGSTER_RUN)]
    outputs = [process.communicate(timeout=400)[0] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], "\n".join(outputs)
    steps = steps_of_all_runs(home)
    assert len({run for *_, run in steps}) == earlier + 3
    assert all(one[1] <= next_one[0] for one, next_one in pairwise(steps)), "two steps overlapped"


@pytest.mark.slowest
def test_runs_killed_at_work_do_not_hold_up_the_next(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    dead: list[str] = []
    for command in (DAGSTER_RUN, MAKE_RUN):
        process = start(home, sample_dir, *command)
        dead.append(wait_until_at_work(home, *dead))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    done = home.command(sample_dir, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        newest, *before = instance.get_runs(limit=3)
        assert newest.status == dg.DagsterRunStatus.SUCCESS
        assert {run.run_id: run.status for run in before} == dict.fromkeys(dead, dg.DagsterRunStatus.FAILURE)


def test_a_run_stopped_by_hand_says_so_plainly(built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path) -> None:
    home = built[0].copy(tmp_path)
    process = start(home, sample_dir, *MAKE_RUN)
    wait_until_at_work(home)
    os.killpg(process.pid, signal.SIGINT)
    shown, _ = process.communicate(timeout=60)
    assert process.returncode == 1, shown
    assert "Stopped." in shown
    assert "Traceback" not in shown
