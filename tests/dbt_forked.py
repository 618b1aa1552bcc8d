"""dbt as the daily job starts it, forked from a process that has imported dbt and parsed the project already.

A job that a test runs in its own process so spares what takes dbt longest. `python -m greenery_assets run` and what the
daemon starts have dbt as users have it. A script as well: the process that forks.
"""

import array
import json
import os
import shutil
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from importlib.metadata import version
from multiprocessing import util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# What the parsed project depends on, beside its files.
PARSED_WITH = ("GREENERY_MAX_SESSION_SHARE", "GREENERY_MEMORY_LIMIT", "GREENERY_ENGINE", "GREENERY_POSTGRES_DATABASE")
Request = Mapping[str, Any]

# Names a variable with more arguments for `dbt build`.
MORE_ARGUMENTS = "MORE_ARGUMENTS_OF_FORKED_DBT"

# The command: hands what it was asked, and where to write, to the process that forks, and ends as that dbt did. It
# imports next to nothing.
COMMAND = """#!{python} -IS
import array, json, os, socket, sys
if sys.argv[1:] == ["--version"]:
    print("installed: {version}")
    sys.exit()
with socket.socket(socket.AF_UNIX) as forker:
    forker.connect({address!r})
    arguments = sys.argv[1:] + os.environ.get({more!r}, "").split() * ("build" in sys.argv)
    said = json.dumps({{"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ)}}).encode()
    forker.sendmsg(
        [len(said).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))]
    )
    forker.sendall(said)
    code = int(forker.recv(8) or b"2")
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


class DbtForker:
    """A process that forks dbt, and the command that asks it to."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory()
        self.command = Path(self._folder.name, "dbt")
        address = str(Path(self._folder.name, "asked"))
        self.command.write_text(
            COMMAND.format(python=sys.executable, version=version("dbt-core"), address=address, more=MORE_ARGUMENTS)
        )
        self.command.chmod(0o755)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(address)
        self._socket.listen()
        command = [sys.executable, "-m", __name__, str(self._socket.fileno())]
        self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[self._socket.fileno()])

    def close(self) -> None:
        """End the process that forks."""
        self._process.terminate()
        self._process.wait()
        self._socket.close()
        self._folder.cleanup()


def _main(asked: socket.socket) -> None:
    with TemporaryDirectory() as folder:
        parsed: dict[tuple[str | None, ...], tuple[Any, Path]] = {}
        while True:
            connection, _ = asked.accept()
            with connection:
                request, output = _received(connection)
                given = tuple(request["environment"].get(name) for name in PARSED_WITH)
                if given not in parsed:
                    folder_of_it = Path(folder, str(len(parsed)))
                    parsed[given] = _parse(request, folder_of_it), folder_of_it
                child = os.fork()
                if not child:
                    _run(request, *parsed[given], output)
                os.close(output)
                _, status = os.waitpid(child, 0)
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _received(connection: socket.socket) -> tuple[Request, int]:
    size, files, *_ = connection.recvmsg(8, socket.CMSG_SPACE(4))
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        said += connection.recv(1 << 20)
    return json.loads(said), array.array("i", files[0][2])[0]


def _prepare_for(request: Request) -> None:
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])


def _parse(request: Request, target: Path) -> Any:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  seconds, and only needed here

    _prepare_for(request)
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
        _prepare_for(request)
        target = Path(request["environment"]["DBT_TARGET_PATH"])
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(parsed / "manifest.json", target)
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
