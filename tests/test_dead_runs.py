"""A run whose process is gone is noted; one that goes on, or has just begun, is left alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from greenery_assets.dead_runs import end_dead_runs


@dg.op
def step() -> None:
    """Do nothing."""


@dg.job
def a_job() -> None:
    """Have one step."""
    step()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def started(instance: dg.DagsterInstance, pid: int | None) -> str:
    """A run that counts as running, in this process by its log."""
    run = instance.create_run_for_job(a_job)
    if pid is not None:
        instance.report_engine_event("Started.", run, EngineEventData({"pid": dg.MetadataValue.text(str(pid))}))
    instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id)
    assert status(instance, run.run_id) == dg.DagsterRunStatus.STARTED
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run
    return run.status


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_without_its_process_is_reported_as_failed_once(instance: dg.DagsterInstance) -> None:
    dead = started(instance, ended_process())
    assert end_dead_runs(instance) == [dead]
    assert status(instance, dead) == dg.DagsterRunStatus.FAILURE
    assert end_dead_runs(instance) == []


@pytest.mark.parametrize("pid", [os.getpid(), 1, None], ids=["its own", "another", "none"])
def test_a_run_whose_process_is_there_or_not_known_yet_goes_on(instance: dg.DagsterInstance, pid: int | None) -> None:
    run = started(instance, pid)
    assert end_dead_runs(instance) == []
    assert status(instance, run) == dg.DagsterRunStatus.STARTED


def test_a_run_that_ended_by_itself_stays_as_it_is(instance: dg.DagsterInstance) -> None:
    run = a_job.execute_in_process(instance=instance).run_id
    assert end_dead_runs(instance) == []
    assert status(instance, run) == dg.DagsterRunStatus.SUCCESS
