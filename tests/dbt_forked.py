"""dbt as the daily job starts it, forked from a process that has imported dbt and parsed the project already.

A job that a test runs in its own process so spares what takes dbt longest. `python -m greenery_assets run` and what the
daemon starts have dbt as users have it. A script as well: the process that forks.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import util
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Any

from greenery_assets.dbt_process import prepare_for

ROOT = Path(__file__).resolve().parents[1]
# What the parsed project depends on, beside its files.
PARSED_WITH = ("GREENERY_MAX_SESSION_SHARE", "GREENERY_MEMORY_LIMIT")
Request = Mapping[str, Any]


class ForkedDbt:
    """A dbt that runs, with what Dagster asks of a process."""

    def __init__(self, arguments: Sequence[str], stdout: IO[bytes], code: IO[bytes]) -> None:
        self.args, self.stdout = ["dbt", *arguments], stdout
        self.returncode: int | None = None
        self._code = code

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        if self.returncode is None:
            with self._code:
                said = self._code.read()
            assert said, "the process that forks dbt has ended; what it said is above"
            self.returncode = int(said)
        return self.returncode


class DbtForker:
    """In place of `DbtProcesses`: the process that forks is started when it is needed first."""

    def __init__(self) -> None:
        self._forker: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, arguments: Sequence[str], project: Path, environment: Mapping[str, str]) -> ForkedDbt:
        """As `DbtProcesses.run`; one at a time."""
        if self._forker is None:
            self._forker, end = socket.socketpair()
            with end:
                command = [sys.executable, "-m", __name__, str(end.fileno())]
                self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[end.fileno()])
        request = {"arguments": list(arguments), "project": str(project), "environment": {**os.environ, **environment}}
        (stdout, said), (code, told) = os.pipe(), os.pipe()
        with TemporaryFile() as asked:
            asked.write(json.dumps(request).encode())
            asked.seek(0)
            socket.send_fds(self._forker, [b"?"], [asked.fileno(), said, told])
        os.close(said)
        os.close(told)
        return ForkedDbt(arguments, os.fdopen(stdout, "rb"), os.fdopen(code, "rb"))

    def close(self) -> None:
        """End the process that forks."""
        if self._forker and self._process:
            self._forker.close()
            self._process.wait()


def _main(connection: socket.socket) -> None:
    with TemporaryDirectory() as folder:
        parsed: dict[tuple[str | None, ...], tuple[Any, Path]] = {}
        while True:
            asked, files, *_ = socket.recv_fds(connection, 1, 3)
            if not asked:
                return
            request_file, output, told = files
            with os.fdopen(request_file) as file:
                request = json.load(file)
            given = tuple(request["environment"].get(name) for name in PARSED_WITH)
            if given not in parsed:
                target = Path(folder, str(len(parsed)))
                parsed[given] = _parse(request, target), target
            child = os.fork()
            if not child:
                _run(request, *parsed[given], output)
            os.close(output)
            _, status = os.waitpid(child, 0)
            os.write(told, str(os.waitstatus_to_exitcode(status)).encode())
            os.close(told)


def _parse(request: Request, target: Path) -> Any:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  seconds, and only needed here

    prepare_for(request)
    done = dbtRunner().invoke(["parse", "--quiet", "--target-path", str(target), "--log-path", str(target)])
    assert done.success, done.exception
    return done.result


def _run(request: Request, manifest: Any, parsed: Path, output: int) -> None:
    """Be dbt, and end."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: PLC0415
    from dbt.cli.main import dbtRunner  # noqa: PLC0415

    code = 2
    try:
        for stream in (1, 2):
            os.dup2(output, stream)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        prepare_for(request)
        shutil.copy(parsed / "manifest.json", request["environment"]["DBT_TARGET_PATH"])
        done = dbtRunner(manifest=manifest).invoke(request["arguments"])
        # What is still in DuckDB's log goes into the file.
        DuckDBConnectionManager.close_all_connections()
        code = 2 if done.exception else int(not done.success)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        # Locks that dbt made are given back, which is not done otherwise by a process that ends like this.
        util._run_finalizers()  # type: ignore[attr-defined]
        os._exit(code)


if __name__ == "__main__":
    _main(socket.socket(fileno=int(sys.argv[1])))
