"""`make ui`: where it listens."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.job import ROOT, Home
from tests.ports import free_port

PATIENCE_S = 120
LISTENS = "0A"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="this system does not list who listens in /proc"),
]


def listening(port: int) -> set[str]:
    """The addresses at which something listens on a port, as the system writes them: hexadecimal."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {line[1].split(":")[0] for line in lines if line[3] == LISTENS and int(line[1].split(":")[1], 16) == port}


def test_the_web_interface_listens_on_this_machine_alone_whatever_dagsters_variables_say(
    tmp_path: Path, sample_dir: Path
) -> None:
    port = free_port()
    environment = {
        **os.environ,
        **Home.new(tmp_path).environment(sample_dir),
        "GREENERY_UI_URL": f"https://data.greenery.example:{port}/",
        "DAGSTER_CLI_DEV_HOST": "0.0.0.0",
        "DAGSTER_WEBSERVER_HOST": "0.0.0.0",
        "DAGIT_HOST": "0.0.0.0",
    }
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "greenery_assets", "ui"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not (found := listening(port)):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        assert [socket.inet_ntoa(bytes.fromhex(address)[::-1]) for address in found] == ["127.0.0.1"]
    finally:
        # It ends its servers, which are in groups of their own.
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
