"""dbt started before it is needed: it runs what it is told, and is gone where nobody tells it anything."""

import json
import os
import signal
import subprocess
from pathlib import Path

from greenery_assets.dbt_process import DbtProcesses
from greenery_assets.project import DBT_PROJECT_DIR


def listed(processes: DbtProcesses, target: Path) -> "subprocess.Popen[bytes]":
    environment = {
        "DBT_LOG_FORMAT": "json",
        "DBT_LOG_PATH": str(target),
        "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
        "DBT_TARGET_PATH": str(target),
    }
    return processes.run(["ls", "--resource-type", "snapshot"], DBT_PROJECT_DIR, environment)


def everything_said(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    process.wait()
    return output


def said(process: "subprocess.Popen[bytes]") -> list[str]:
    output = everything_said(process)
    return [json.loads(line)["info"]["msg"] for line in output.splitlines()]


def test_the_one_that_waits_runs_what_it_is_told_and_the_next_is_another(tmp_path: Path) -> None:
    processes = DbtProcesses()
    processes.prepare()
    first = listed(processes, tmp_path / "first")
    second = listed(processes, tmp_path / "second")
    assert first.pid != second.pid
    assert first.args == ["dbt", "ls", "--resource-type", "snapshot"]
    for process in (first, second):
        assert "greenery.orders_snapshot.orders_snapshot" in said(process)
        assert process.returncode == 0


def test_dbt_ends_as_its_own_command_does(tmp_path: Path) -> None:
    process = DbtProcesses().run(["ls", "--no-such-option"], DBT_PROJECT_DIR, {"DBT_LOG_PATH": str(tmp_path)})
    output = everything_said(process)
    assert b"--no-such-option" in output
    assert process.returncode == 2


def test_one_that_was_killed_while_it_waited_is_started_anew(tmp_path: Path) -> None:
    processes = DbtProcesses()
    processes.prepare()
    waiting = processes._waiting
    assert waiting is not None
    os.kill(waiting.pid, signal.SIGKILL)
    os.waitid(os.P_PID, waiting.pid, os.WEXITED | os.WNOWAIT)
    assert "greenery.orders_snapshot.orders_snapshot" in said(listed(processes, tmp_path))


def test_one_that_nobody_needs_is_ended() -> None:
    processes = DbtProcesses()
    processes.prepare()
    waiting = processes._waiting
    assert waiting is not None
    processes.discard()
    assert waiting.returncode == -signal.SIGKILL
    processes.discard()


def test_it_ends_with_whoever_started_it() -> None:
    processes = DbtProcesses()
    processes.prepare()
    waiting = processes._waiting
    assert waiting is not None
    assert waiting.stdin is not None
    waiting.stdin.close()
    assert everything_said(waiting) == b""
    assert waiting.returncode == 0
