"""What is in deploy/, rendered for this machine: other folders and free ports, and nothing else changed."""

import base64
import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from dotenv import dotenv_values

from tests.job import ROOT
from tests.ports import free_port

DEPLOY = ROOT / "deploy"
UNITS = DEPLOY / "systemd"
COMMON = UNITS / "greenery-.service.d" / "common.conf"
SERVICES = ("code", "daemon", "web", "web-readonly")
NAME, READ_ONLY_NAME = "data.greenery.example", "read.greenery.example"
USER, PASSWORD = "robin", "a long password"
PROGRAMS_OF_UNITS = "/opt/greenery/.venv/bin/"
PATIENCE_S = 900


def values(unit: Path, name: str) -> list[str]:
    """The values that a unit file has for a name, which may stand there several times."""
    return [line.partition("=")[2] for line in unit.read_text().splitlines() if line.partition("=")[0] == name]


def unit(service: str) -> Path:
    """The unit file of a service."""
    return UNITS / f"greenery-{service}.service"


def wait_until(seen: Callable[[], object], log: Path) -> None:
    """Wait for what a process of this log has to do."""
    deadline = time.monotonic() + PATIENCE_S
    while not seen():
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.2)


class Server:
    """One server's folders, ports and processes, below a folder of a test's own."""

    def __init__(self, folder: Path, database: str, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.ports = {port: str(free_port()) for port in ("80", "443", "3000", "3001")}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("etc/tls", "etc/passwords", "lib/dagster_home", "run"):
            (folder / name).mkdir(parents=True)
        shutil.copy(DEPLOY / "dagster.yaml", folder / "lib" / "dagster_home")
        workspace = self._placed((DEPLOY / "workspace.yaml").read_text())
        (folder / "workspace.yaml").write_text(workspace)
        example = dotenv_values(DEPLOY / "greenery.env.example", interpolate=False)
        given = {name: self._placed(value or "") for name, value in example.items()}
        # As systemd starts them: with nothing from the environment of whoever runs the tests.
        system = {"PATH": os.defpath, "HOME": str(folder / "lib"), "LANG": "C.UTF-8"}
        self.environment = system | given | {"GREENERY_ALERTS_LEDGER": database, **settings}

    def _placed(self, text: str) -> str:
        """A text with this server's folders in place of the real ones."""
        for real, here in {
            PROGRAMS_OF_UNITS: f"{Path(sys.executable).parent}/",
            "/opt/greenery/deploy/workspace.yaml": str(self.folder / "workspace.yaml"),
            "/var/lib/greenery": str(self.folder / "lib"),
            "/etc/greenery": str(self.folder / "etc"),
            "/run/greenery": str(self.folder / "run"),
        }.items():
            text = text.replace(real, here)
        return text

    def log(self, name: str) -> Path:
        """What a process wrote; systemd would put it into the journal."""
        return self.folder / f"{name}.log"

    def command(self, *arguments: str) -> str:
        """Run a command to its end, as the pages have the operator run it; its output."""
        done = subprocess.run(
            [self._placed(argument) for argument in arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, service: str) -> None:
        """Start the process of a unit."""
        (line,) = values(unit(service), "ExecStart")
        line = re.sub(r"--port (\d+)", lambda found: f"--port {self.ports[found[1]]}", self._placed(line))
        self._start(service, shlex.split(line))

    def _start(self, name: str, command: list[str]) -> None:
        with self.log(name).open("ab") as output:
            # As systemd starts it. Dagster treats SIGTERM like SIGINT, which a shell's background jobs ignore.
            command = ["env", "--default-signal=INT", *command]
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=output, stderr=output, start_new_session=True
            )

    def is_healthy(self) -> bool:
        """Whether every command of the unit for health succeeds."""
        commands = [self._placed(line) for line in values(unit("health"), "ExecStart")]
        for real, here in self.ports.items():
            commands = [command.replace(f"127.0.0.1:{real}/", f"127.0.0.1:{here}/") for command in commands]
        return all(
            subprocess.run(shlex.split(command), env=self.environment, capture_output=True, check=False).returncode == 0
            for command in commands
        )

    def stop(self, service: str) -> None:
        """Stop a service as systemd does with KillMode=mixed.

        The main process gets SIGTERM. What is left when it has ended, or after TimeoutStopSec, is killed.
        """
        process = self.processes.pop(service)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(float(values(COMMON, "TimeoutStopSec")[0]))
        _kill(process)

    def kill(self, name: str) -> None:
        """Kill a process and its children."""
        _kill(self.processes.pop(name))

    def close(self) -> None:
        """End whatever still runs."""
        for name in list(self.processes):
            self.kill(name)

    def write_proxy(self) -> Path:
        """The configuration of nginx with ours in it, with a certificate and a password; the file."""
        names = {"SERVER_NAME": NAME, "READ_ONLY_NAME": READ_ONLY_NAME}
        upstreams = {"WEB": f"127.0.0.1:{self.ports['3000']}", "READ_ONLY_WEB": f"127.0.0.1:{self.ports['3001']}"}
        template = (DEPLOY / "nginx" / "greenery.conf.template").read_text()
        # envsubst fills in only what it is given, and so does this.
        text = self._placed(Template(template).safe_substitute(names | upstreams))
        for real in ("80", "443"):
            text = text.replace(f"listen {real}", f"listen 127.0.0.1:{self.ports[real]}")
        (self.folder / "greenery.conf").write_text(text)
        tls, file = self.folder / "etc" / "tls", self.folder / "nginx.conf"
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}"),
            *("-addext", f"subjectAltName=DNS:{NAME},DNS:{READ_ONLY_NAME}"),
            *("-keyout", str(tls / "privkey.pem"), "-out", str(tls / "fullchain.pem")),
        )
        for who in ("operators", "readers"):
            hashed = _openssl("passwd", "-6", PASSWORD).strip()
            (self.folder / "etc" / "passwords" / who).write_text(f"{USER}:{hashed}\n")
        places = [
            f"{part}_temp_path {self.folder}/{part};" for part in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ]
        # pytest's folders may be entered by their owner alone.
        user = "user root;" if os.geteuid() == 0 else ""
        file.write_text(
            f"{user} daemon off; pid {self.folder}/nginx.pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {' '.join(places)} include {self.folder}/greenery.conf; }}\n"
        )
        return file

    def start_proxy(self) -> None:
        """Start nginx."""
        self._start("nginx", ["/usr/sbin/nginx", "-c", str(self.write_proxy())])

    def send(
        self, method: str, path: str, body: object = None, host: str = NAME, user: str = USER, **headers: str
    ) -> tuple[int, str]:
        """Send a request to the proxy over TLS; its status and text. A header's name has _ for -."""
        context = ssl.create_default_context(cafile=str(self.folder / "etc" / "tls" / "fullchain.pem"))
        port = self.ports["443"]
        with socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE_S) as connection:
            # The name of the handshake is one of ours also where the header's is not.
            name = host if host in {NAME, READ_ONLY_NAME} else NAME
            with context.wrap_socket(connection, server_hostname=name) as encrypted:
                client = http.client.HTTPConnection(host)
                client.sock = encrypted
                sent = {"Host": f"{host}:{port}"} | {name.replace("_", "-"): value for name, value in headers.items()}
                if user:
                    sent["Authorization"] = http_basic(user)
                if body is not None:
                    sent["Content-Type"] = "application/json"
                client.request(method, path, json.dumps(body) if body is not None else None, sent)
                answer = client.getresponse()
                return answer.status, "" if answer.status == 101 else answer.read().decode()

    def origin(self, host: str = NAME) -> str:
        """The origin that a browser names on our own pages."""
        return f"https://{host}:{self.ports['443']}"

    def graphql(self, query: str, host: str = NAME, **variables: Any) -> dict[str, Any]:
        """What the web interface answers to GraphQL as its own pages send it."""
        body = {"query": query, "variables": variables}
        status, text = self.send("POST", "/graphql", body, host, Origin=self.origin(host))
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        assert "errors" not in answer, text
        return answer["data"]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def http_basic(user: str) -> str:
    """The header of a user with the password of these tests."""
    return f"Basic {base64.b64encode(f'{user}:{PASSWORD}'.encode()).decode()}"


def _openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout
