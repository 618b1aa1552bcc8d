"""`make ui`: where it listens, what it shows, and that its servers end with it and it with them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from greenery_assets.web_interface import WebInterfaceError, serve
from tests.job import ROOT, Home
from tests.ports import free_port

PATIENCE_S = 120
# What a service has until it is killed (deploy/systemd, TimeoutStopSec).
SECONDS = 10
LISTENS = "0A"

needs_proc = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="this system does not list processes and who listens in /proc"
)


def listening(port: int) -> set[str]:
    """The addresses at which something listens on a port, as the system writes them: hexadecimal."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {line[1].split(":")[0] for line in lines if line[3] == LISTENS and int(line[1].split(":")[1], 16) == port}


@dataclass(frozen=True)
class Interface:
    """A `make ui` that listens."""

    home: Home
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def servers(self, word: str = "") -> list[int]:
        """Its processes, and theirs, which have this word in their command."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                environment, command = (place / "environ").read_bytes(), (place / "cmdline").read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            if str(self.home.dagster_home).encode() in environment and word.encode() in command:
                found.append(int(place.name))
        return found

    def ended(self) -> int:
        """Its exit code; it and all that it started have ended within seconds, and the port is free."""
        code = self.process.wait(SECONDS)
        deadline = time.monotonic() + SECONDS
        while self.servers() or listening(self.port):
            assert time.monotonic() < deadline, self.servers()
            time.sleep(0.1)
        return code


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.new(tmp_path_factory.mktemp("web"))


@contextmanager
def web_interface(home: Home, source: Path, **settings: str) -> Iterator[Interface]:
    """Start it, and wait until it listens."""
    port = free_port()
    environment = {
        **os.environ,
        **home.environment(source),
        "GREENERY_UI_URL": f"https://data.greenery.example:{port}/",
        **settings,
    }
    log = home.dagster_home.parent / f"{port}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            # As a shell starts what is in the background, which Dagster's own servers would not end by SIGTERM.
            ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "greenery_assets", "ui"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    interface = Interface(home, port, process, log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "is at" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield interface
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.mark.slow
@needs_proc
def test_it_listens_on_this_machine_alone_shows_no_warning_and_ends_by_sigterm(home: Home, sample_dir: Path) -> None:
    hosts = dict.fromkeys(("DAGSTER_CLI_DEV_HOST", "DAGSTER_WEBSERVER_HOST", "DAGIT_HOST"), "0.0.0.0")
    with web_interface(home, sample_dir, **hosts) as interface:
        found = listening(interface.port)
        assert [socket.inet_ntoa(bytes.fromhex(address)[::-1]) for address in found] == ["127.0.0.1"]
        assert len(interface.servers("dagster-daemon")) == 1
        interface.process.terminate()
        assert interface.ended() == 0
    assert interface.log.read_text() == (
        "Not passed on to dbt and Dagster: DAGIT_HOST, DAGSTER_CLI_DEV_HOST, DAGSTER_WEBSERVER_HOST.\n"
        "Starting Dagster's web interface and daemon: less than a minute.\n"
        f"The web interface is at http://127.0.0.1:{interface.port}, for this machine alone. Ctrl+C ends it.\n"
    )


@pytest.mark.slowest
@needs_proc
def test_when_its_daemon_dies_it_ends_at_once_and_says_so(home: Home, sample_dir: Path) -> None:
    with web_interface(home, sample_dir) as interface:
        (daemon,) = interface.servers("dagster-daemon")
        os.kill(daemon, signal.SIGKILL)
        assert interface.ended() == 1
    assert interface.log.read_text().splitlines()[-1] == (
        "Dagster's daemon was killed (SIGKILL), so the web interface and all schedules were stopped. Look at what it "
        "wrote, and start it again."
    )


@pytest.mark.slowest
@needs_proc
def test_when_it_is_killed_its_servers_end_too(home: Home, sample_dir: Path) -> None:
    with web_interface(home, sample_dir) as interface:
        assert len(interface.servers()) > 3
        interface.process.kill()
        assert interface.ended() == -signal.SIGKILL


def test_a_port_in_use_is_named_with_its_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(WebInterfaceError) as refused:
            serve(port, print)
    by = rf"process {os.getpid()} \(.*python.*\)" if shutil.which("lsof") else "another program"
    assert re.fullmatch(
        rf"Port {port} is in use by {by}: end it, or name another port in GREENERY_UI_URL, as in "
        r"http://localhost:3001\.",
        str(refused.value),
    )


def test_a_port_that_is_not_for_everybody_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(WebInterfaceError, match=r"Port 80 cannot be used \(Permission denied\): name another port"):
        serve(80, print)
