"""`make ui`: Dagster's code server, web server and daemon as one program, on this machine alone.

They start together and end together, and nothing of them outlives this process. What they serve belongs elsewhere.
"""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

# Dagster believes everybody who reaches its web interface (README, Start).
HOST = "127.0.0.1"
CODE = "greenery_assets.definitions"
# What servers get to end by themselves; then they are killed, and with them the run that is going on.
PATIENCE_S = 6
CHECKED_EACH_S = 0.2
LONGEST_COMMAND = 80


class WebInterfaceError(Exception):
    """The web interface cannot be started, or ended by itself; the text says why, and what to do."""


def serve(port: int, say: Callable[[str], object]) -> None:
    """Start everything, say where it listens, and return when SIGINT, SIGTERM or SIGHUP has ended it.

    Raises WebInterfaceError if the port cannot be used, or as soon as one of the servers ends by itself: without its
    daemon a web interface looks alive, and no schedule runs.
    """
    _check_port(port)
    say("Starting Dagster's web interface and daemon: less than a minute.")
    with contextlib.suppress(KeyboardInterrupt), _signals_as_interrupts(), tempfile.TemporaryDirectory() as folder:
        endpoint, workspace = Path(folder, "code"), Path(folder, "workspace.yaml")
        place = {"socket": str(endpoint), "location_name": CODE}
        workspace.write_text(yaml.safe_dump({"load_from": [{"grpc_server": place}]}))
        quiet, where = ["--log-level", "error"], ["--workspace", str(workspace)]
        with _Servers() as servers:
            servers.start("code server", "dagster", "code-server", "start", "-s", str(endpoint), "-m", CODE, *quiet)
            # A web server that finds no code would show none until somebody reloads it.
            servers.wait_for(socket.AF_UNIX, str(endpoint))
            web = ["--host", HOST, "--port", str(port), "--dagster-log-level", "error"]
            servers.start("web server", "dagster-webserver", *where, *web)
            servers.start("daemon", "dagster-daemon", "run", *where, *quiet)
            servers.wait_for(socket.AF_INET, (HOST, port))
            say(f"The web interface is at http://{HOST}:{port}, for this machine alone. Ctrl+C ends it.")
            while True:
                servers.check()
                time.sleep(CHECKED_EACH_S)


class _Servers(contextlib.AbstractContextManager["_Servers"]):
    """The processes of Dagster's servers, each in a group with all that it starts."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        # It reads to the end of its input, which comes when this process is gone in whatever way, and kills the groups.
        self._killer = subprocess.Popen(
            ["sh", "-c", "kill -s KILL -- $(cat)"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def start(self, name: str, *command: str) -> None:
        """Start a server by its command, which is beside Python or on the PATH."""
        # A virtual environment need not be activated to be used.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        process = subprocess.Popen(command, env={**os.environ, "PATH": path}, start_new_session=True)
        self._processes[name] = process
        print(-process.pid, file=self._killer.stdin, flush=True)

    def wait_for(self, family: int, address: str | tuple[str, int]) -> None:
        """Wait until something listens there. Raises WebInterfaceError as `check` does."""
        while True:
            self.check()
            with socket.socket(family) as connection:
                if connection.connect_ex(address) == 0:
                    return
            time.sleep(CHECKED_EACH_S)

    def check(self) -> None:
        """Raise WebInterfaceError if a server has ended."""
        for name, process in self._processes.items():
            code = process.poll()
            if code is not None:
                how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
                raise WebInterfaceError(
                    f"Dagster's {name} {how}, so the web interface and all schedules were stopped. Look at what it "
                    "wrote, and start it again."
                )

    def __exit__(self, *_: object) -> None:
        ends_at = time.monotonic() + PATIENCE_S
        # The code server last: a tick of the daemon that gets no answer is an error in its log.
        for process in reversed(self._processes.values()):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(ends_at - time.monotonic(), 0))
        self._killer.communicate()
        for process in self._processes.values():
            process.wait()


@contextlib.contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt for the first signal that asks for the end. Later ones are ignored: it is on its way."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def stop(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    # What has a handler here is not ignored in the servers. Without SIGINT, as in a shell's background,
    # they would ignore SIGTERM too.
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_port(port: int) -> None:
    """Raise WebInterfaceError if nothing can listen there."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        is_taken = error.errno == errno.EADDRINUSE
        cause = f"is in use by {_user_of(port)}: end it, or" if is_taken else f"cannot be used ({error.strerror}):"
        raise WebInterfaceError(
            f"Port {port} {cause} name another port in GREENERY_UI_URL, as in http://localhost:3001."
        ) from None


def _user_of(port: int) -> str:
    """The process that listens on a port, as far as the system shows it."""
    try:
        found = _said("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN").split()
        command = _said("ps", "-o", "args=", "-p", found[0]).strip()
    except (OSError, IndexError):
        return "another program"
    return f"process {found[0]} ({command[:LONGEST_COMMAND]})"


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
