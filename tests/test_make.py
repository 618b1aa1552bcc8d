"""What `make clean` and `make clean-all` remove, keep and report; which pins `make lock` raises."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.job import ROOT

MADE_AGAIN = (
    ".venv/bin/python", "data/sample/events.csv", "data/report/alerts.html", "data/report/state_of_the_data.html",
    "data/report/.charts-1.js", "dbt_project/target/manifest.json",
    "dbt_project/logs/dbt.log", ".pytest_cache/x", "greenery_assets.egg-info/PKG-INFO",
)  # fmt: skip
# The snapshots are in the warehouse, the memory of the alerts in Dagster's home.
NEVER_AGAIN = (
    "data/greenery.duckdb", "data/greenery.duckdb.wal", "dagster_home/alerts.sqlite", "dagster_home/history/runs.db",
    "dagster_home/schedules/schedules.db", "data/greenery.sample-20260101T070000.duckdb",
    "data/greenery.before-20260101T070000.duckdb", "data/greenery.unfinished.duckdb",
    "data/greenery.unfinished.duckdb.wal", "data/report/state_of_the_data_2026-11-27.html",
)  # fmt: skip
OURS = (
    "Makefile", ".env", "dagster_home/dagster.yaml", "dbt_project/dbt_project.yml", "greenery_assets/settings.py",
    "data/mine/orders.csv", "elsewhere/shop.duckdb",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with a bit of everything that is made in it."""
    for name in (*MADE_AGAIN, *NEVER_AGAIN, *OURS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    return tmp_path


def make(target: str, project: Path) -> str:
    return subprocess.run(["make", target], cwd=project, capture_output=True, text=True, check=True).stdout


def left(project: Path) -> set[str]:
    return {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}


def test_clean_keeps_what_cannot_be_made_again_and_says_so(project: Path) -> None:
    said = make("clean", project)
    assert left(project) == {*NEVER_AGAIN, *OURS}
    for name in (".venv", "data/sample", "data/report", "dbt_project/target"):
        assert name in said.partition("Keeping")[0]
    for name in (
        "data/greenery.duckdb",
        "snapshots",
        "dagster_home",
        "alerts.sqlite",
        "the pages of days",
        "clean-all",
    ):
        assert name in said.partition("Keeping")[2]
    assert "must be made again with them" in said
    assert "data/greenery.sample-<time>.duckdb" in said.partition("Keeping")[2]
    assert "nothing; it is clean" in make("clean", project)


def test_clean_all_removes_the_rest_that_was_made_and_says_what(project: Path) -> None:
    said = make("clean-all", project)
    assert left(project) == set(OURS)
    for name in ("data/sample", "Removing for good: data/greenery.duckdb", "all in dagster_home but dagster.yaml"):
        assert name in said


@pytest.mark.parametrize("target", ["backup", "restore"])
def test_a_target_that_needs_a_folder_says_so(target: str) -> None:
    # As `make test ARGS=--whole` hands its ARGS on to every make below it.
    plain = {name: value for name, value in os.environ.items() if name not in ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES")}
    command = ["make", "-n", target]
    said = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=False).stderr
    assert f"folder: make {target} ARGS=/backups/monday" in said.replace(" of a backup", "")


def wheel(folder: Path, name: str, version: str, *more: str) -> str:
    """Write the wheel of a package without content, with more lines of metadata; its file name."""
    info, file = f"{name}-{version}.dist-info", f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *more])
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


# A build without setuptools, which no index is needed for: the project's wheel lies there already.
BACKEND = """
import shutil
def build_wheel(folder, *_):
    shutil.copy("{file}", folder)
    return "{file}"
"""


@pytest.fixture
def to_lock(tmp_path: Path) -> Path:
    """A project that needs glass, and glass needs sand of its own version; a shelf has versions 1 and 2 of all."""
    project, shelf = tmp_path / "project", tmp_path / "shelf"
    for folder in (project, shelf):
        folder.mkdir()
    for version in ("1", "2"):
        wheel(shelf, "glass", version, f"Requires-Dist: sand=={version}")
        for name in ("sand", "paper", "tape"):
            wheel(shelf, name, version)
    needs = "Requires-Dist: glass", "Requires-Dist: paper", "Provides-Extra: dev", 'Requires-Dist: tape; extra == "dev"'
    (project / "backend.py").write_text(BACKEND.format(file=wheel(project, "greenery_assets", "0", *needs)))
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    shutil.copy(ROOT / "Makefile", project)
    (project / "requirements.lock").write_text("glass==1\npaper==1\nsand==1\ntape==1\n")
    return project


def lock(project: Path, arguments: str = "") -> "tuple[int, list[str]]":
    """What `make lock` comes to: its exit code, and the pins."""
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project.parent / "shelf")}
    done = subprocess.run(["make", "lock", f"ARGS={arguments}"], cwd=project, env=environment, check=False)
    return done.returncode, (project / "requirements.lock").read_text().split()


@pytest.mark.slowest
def test_lock_raises_one_package_with_what_it_needs_and_leaves_the_others(to_lock: Path) -> None:
    assert lock(to_lock, "glass") == (0, ["glass==2", "paper==1", "sand==2", "tape==1"])
    # What is not ours, or is not there in that version, changes nothing.
    for wrong in ("stone", "paper==3"):
        code, pins = lock(to_lock, wrong)
        assert (code != 0, pins) == (True, ["glass==2", "paper==1", "sand==2", "tape==1"])
    assert lock(to_lock, "paper tape==2") == (0, ["glass==2", "paper==2", "sand==2", "tape==2"])


@pytest.mark.slowest
def test_lock_alone_raises_all(to_lock: Path) -> None:
    assert lock(to_lock) == (0, ["glass==2", "paper==2", "sand==2", "tape==2"])
