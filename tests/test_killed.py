"""Processes that are killed: a dbt is started again, one whose parent was killed ends too, and no rerun has to wait."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from greenery_assets.dbt.child import end_with_reader
from tests.job import Home, Outcome
from tests.test_two_runs import MAKE_RUN, start

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")

SOON = 2


def children_of(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that they started."""
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may have ended meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            for child in file.read_text().split():
                yield int(child)
                yield from children_of(int(child))


def has_open(pid: int, file: Path) -> bool:
    """Whether a process has a file open."""
    try:
        return any(link.readlink() == file for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        # It is gone, or one of its files is closed by now.
        return False


def dbt_at_work(home: Home, run: "subprocess.Popen[str]", but: int = 0) -> int:
    """Wait until a child of a run has the warehouse open: its dbt."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and run.poll() is None:
        for child in list(children_of(run.pid)):
            if child != but and has_open(child, home.warehouse):
                return child
        time.sleep(0.05)
    raise AssertionError(f"dbt did not start; the run says:\n{run.stdout and run.stdout.read()}")


def is_there(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill_at_work(home: Home, source: Path, after: float = 0) -> None:
    """Kill a `make run` so many seconds after its dbt opened the warehouse, and nothing else; dbt must end as well."""
    run = start(home, source, *MAKE_RUN)
    dbt = dbt_at_work(home, run)
    time.sleep(after)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    deadline = time.monotonic() + SOON
    while is_there(dbt):
        assert time.monotonic() < deadline, "dbt outlived whoever started it"
        time.sleep(0.02)
    assert run.stdout
    run.stdout.close()


@pytest.mark.slowest
def test_after_a_killed_run_the_next_succeeds_at_once_also_where_its_dbt_is_killed(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    before = home.fingerprints()
    kill_at_work(home, sample_dir)
    run = start(home, sample_dir, *MAKE_RUN)
    os.kill(dbt_at_work(home, run), signal.SIGKILL)
    shown, _ = run.communicate(timeout=280)
    assert run.returncode == 0, shown
    assert "dbt_models was killed; it is started again." in shown
    assert "All 145 checks hold." in shown
    outcome = home.last_outcome()
    assert (outcome.success, set(outcome.checks)) == (True, set(outcome.planned))
    assert home.fingerprints() == before


@pytest.mark.slowest
def test_a_dbt_that_is_killed_again_and_again_is_reported_as_that(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    run = start(home, sample_dir, *MAKE_RUN)
    dbt = 0
    for _ in range(3):
        dbt = dbt_at_work(home, run, but=dbt)
        os.kill(dbt, signal.SIGKILL)
    shown, _ = run.communicate(timeout=280)
    assert run.returncode == 1, shown
    assert shown.count("it is started again") == 2
    end = " ".join(shown[shown.rindex("Today's run failed") :].split())
    assert re.search(r"dbt was killed by signal 9 after it had built \d+ of 39 tables", end)
    assert "GREENERY_MEMORY_LIMIT" in end
    assert "killed by signal 9" in (home.report / "alerts.html").read_text()


@pytest.mark.slowest
def test_six_killed_runs_hold_up_none_that_follows_at_once(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path)
    before = home.fingerprints()
    for n in range(6):
        kill_at_work(home, sample_dir, after=n * 0.7)
        done = home.command(sample_dir, "run")
        assert done.returncode == 0, done.stdout + done.stderr
    assert home.fingerprints() == before


def child(body: str, stdout: int) -> "subprocess.Popen[bytes]":
    """A process that ends with its reader, and does something."""
    code = f"from greenery_assets.dbt.child import {end_with_reader.__name__} as end; end(); import time; {body}"
    return subprocess.Popen([sys.executable, "-c", code], stdout=stdout)


def test_a_process_ends_with_its_reader_also_one_that_was_gone_before_it_began() -> None:
    process = child("print('up', flush=True); time.sleep(60)", subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    assert process.wait(10) == -signal.SIGKILL
    late = child("time.sleep(60)", subprocess.PIPE)
    assert late.stdout
    late.stdout.close()
    assert late.wait(10) == -signal.SIGKILL


def test_a_process_that_writes_to_no_pipe_ends_by_itself(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as file:
        assert child("time.sleep(0.2); print('done')", file.fileno()).wait(10) == 0
    assert (tmp_path / "said").read_text() == "done\n"
