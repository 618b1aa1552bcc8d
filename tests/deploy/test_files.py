"""The files in deploy/, checked by the programs that read them, and against each other."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dotenv import dotenv_values

from greenery_assets.settings import VARIABLES, Settings
from tests.deploy.server import COMMON, DEPLOY, PROGRAMS_OF_UNITS, SERVICES, UNITS, Server, unit, values
from tests.job import ROOT

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: COMPOSE["services"][name] for name in SERVICES}
# systemd-analyze rates what a unit could still do from 0 to 10: below 2 it is "OK" with a smile.
EXPOSURE = 2.0


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units with programs that exist on any machine."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed here")
    shutil.copytree(UNITS, tmp_path / "units")
    for file in (tmp_path / "units").glob("*.service"):
        file.write_text(re.sub(rf"{PROGRAMS_OF_UNITS}\S+", "/bin/true", file.read_text()))
    return [str(path) for path in sorted((tmp_path / "units").glob("greenery*.*")) if path.is_file()]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


def test_systemd_finds_nothing_wrong_with_the_units(units: list[str]) -> None:
    assert len(units) == len(SERVICES) + 3
    done = analyze("verify", *units)
    assert (done.returncode, done.stderr) == (0, "")
    broken = Path(units[0])
    broken.write_text(broken.read_text().replace("[Service]", "[Service]\nRestartt=always"))
    assert "Restartt" in analyze("verify", *units).stderr


def test_systemd_finds_every_service_shut_in(units: list[str]) -> None:
    threshold = f"--threshold={int(EXPOSURE * 10)}"
    services = [name for name in units if name.endswith(".service")]
    done = analyze("security", "--offline=true", "--no-pager", threshold, *services)
    assert done.returncode == 0, done.stdout + done.stderr
    (Path(services[0]).parent / "greenery-.service.d" / "common.conf").unlink()
    assert analyze("security", "--offline=true", "--no-pager", threshold, *services).returncode != 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_started_again_whatever_ended_it_and_is_never_root(service: str) -> None:
    assert values(unit(service), "Restart") == ["always"]
    assert values(COMMON, "StartLimitIntervalSec") == ["0"]
    assert values(COMMON, "User") == ["greenery"]
    assert f"greenery-{service}.service" in (UNITS / "greenery.target").read_text()
    assert values(unit(service), "User") == []


def test_no_secret_is_in_the_repository() -> None:
    assert values(COMMON, "EnvironmentFile") == ["/etc/greenery/greenery.env"]
    assert OURS["code"]["env_file"] == ["/etc/greenery/greenery.env"]
    assert COMPOSE["secrets"] == {"postgres_password": {"file": "/etc/greenery/postgres_password"}}
    assert yaml.safe_load((DEPLOY / "dagster.yaml").read_text())["storage"] == {
        "postgres": {"postgres_url": {"env": "GREENERY_ALERTS_LEDGER"}}
    }


def test_the_example_of_settings_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    example = dotenv_values(DEPLOY / "greenery.env.example", interpolate=False)
    assert set(example) <= set(VARIABLES.values())
    for name, value in example.items():
        monkeypatch.setenv(name, value or "")
    settings = Settings()
    assert settings.slack_channel == "#data-alerts"
    assert settings.ledger_url.startswith("postgresql+psycopg2://")


def test_a_servers_dagster_yaml_is_the_projects_with_postgresql() -> None:
    project = yaml.safe_load((ROOT / "dagster_home" / "dagster.yaml").read_text())
    server = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert server.keys() - project.keys() == {"storage"}
    assert {"schedule", "sensor"} <= project["retention"].keys(), "ticks would stay for ever"
    assert {name: server[name] for name in project} == project


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_of_compose_runs_what_the_unit_runs(service: str) -> None:
    (line,) = values(unit(service), "ExecStart")
    # Each container has an address and all ports of its own.
    line = line.replace("--host 127.0.0.1", "--host 0.0.0.0").replace("--port 3001", "--port 3000")
    assert OURS[service]["command"] == line.split()
    assert OURS[service]["restart"] == "always"
    assert OURS[service]["stop_grace_period"] == f"{values(COMMON, 'TimeoutStopSec')[0]}s"
    assert {"read_only", "cap_drop", "security_opt", "init"} <= OURS[service].keys()
    assert "healthcheck" in OURS[service]


def test_of_composes_services_the_proxy_alone_is_reached_from_outside() -> None:
    assert [name for name, service in COMPOSE["services"].items() if "ports" in service] == ["proxy"]
    assert [name for name, service in COMPOSE["services"].items() if "healthcheck" not in service] == []


def test_compose_accepts_its_file(tmp_path: Path) -> None:
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], check=False).returncode:
        pytest.skip("docker compose is not installed here")
    file = tmp_path / "compose.yaml"

    def check(text: str) -> int:
        # It looks whether the file of settings is there.
        file.write_text(text.replace("/etc/greenery/greenery.env", str(DEPLOY / "greenery.env.example")))
        command = ["docker", "compose", "--file", str(file), "config", "--quiet"]
        names = {"SERVER_NAME": "a", "READ_ONLY_NAME": "b"}
        return subprocess.run(command, env=os.environ | names, check=False).returncode

    text = (DEPLOY / "compose.yaml").read_text()
    assert check(text) == 0
    assert check(text.replace("restart:", "restrt:")) != 0


def test_the_image_is_not_root_and_holds_what_the_units_start() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert lines[-1] == "USER greenery"
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored, "without it .env and data/ would be in the image"
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert [name for name in copied if not (ROOT / name).exists()] == []


@pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="nginx is not installed here")
def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    file = Server(tmp_path, "", {}).write_proxy()

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["/usr/sbin/nginx", "-t", "-c", str(file)], capture_output=True, text=True, check=False)

    done = check()
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr
    ours = tmp_path / "greenery.conf"
    ours.write_text(ours.read_text().replace("proxy_pass", "proxy_passs", 1))
    assert check().returncode != 0
