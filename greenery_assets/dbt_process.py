"""dbt in a process of its own that is started before it is needed: to import dbt takes longer than to load a day.

Starting, handing over what to run, and ending one that nobody needed belong here; what to run and how to read what it
says is assets/dbt's business. Imports neither Dagster nor dbt: the child imports dbt while its parent does other work.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from greenery_assets.dbt_child import end_with_reader


class DbtProcesses:
    """The dbt that waits to be told what to run, at most one, of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Start a dbt that will be told later what to run, unless one waits already."""
        with self._lock:
            if self._waiting is None:
                self._waiting = _started()

    def run(self, arguments: Sequence[str], project: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        """Run dbt with these arguments in the project's folder, in the one that waits if there is one.

        Its `args` are those of dbt. Whoever calls reads `stdout`, which holds stderr too, and waits for its end.
        """
        with self._lock:
            process, self._waiting = self._waiting or _started(), None
        request = {"arguments": list(arguments), "project": str(project), "environment": {**os.environ, **environment}}
        if not _told(process, request):
            # It was killed while it waited.
            _end(process)
            process = _started()
            _told(process, request)
        process.args = ["dbt", *arguments]
        return process

    def discard(self) -> None:
        """End the one that waits, if nobody needed it."""
        with self._lock:
            process, self._waiting = self._waiting, None
        if process is not None:
            _end(process)


dbt_processes = DbtProcesses()


def _started() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        # Without -P what lies in the current folder would be imported in place of modules of the same name.
        [sys.executable, "-P", "-u", "-m", "greenery_assets.dbt_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _told(process: "subprocess.Popen[bytes]", request: Mapping[str, Any]) -> bool:
    assert process.stdin is not None
    try:
        with process.stdin:
            process.stdin.write(json.dumps(request).encode())
    except BrokenPipeError:
        return False
    return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    process.wait()


def prepare_for(request: Mapping[str, Any]) -> None:
    """Take over the environment and the folder that a request names."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["project"])


def _main() -> None:
    end_with_reader()
    from dbt.cli.main import cli  # noqa: PLC0415  what is waited for

    said = sys.stdin.buffer.read()
    # Whoever started it has ended without a need for it.
    if not said:
        return
    request = json.loads(said)
    prepare_for(request)
    cli(args=request["arguments"], prog_name="dbt")


if __name__ == "__main__":
    _main()
