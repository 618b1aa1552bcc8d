"""The wheel, installed into an environment of its own: all that the project needs is in it, and it writes elsewhere."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import duckdb
import pytest

from tests.job import ROOT

PARTS = ("greenery_assets", "dbt_project", "dagster_home/dagster.yaml")
FILES = ("LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py")


def said(*command: str, cwd: Path, **environment: str) -> str:
    """What a command writes that ends well."""
    # Without the settings of these tests.
    bare = {
        name: value for name, value in os.environ.items() if not name.startswith(("GREENERY_", "DAGSTER_", "PYTHON"))
    }
    done = subprocess.run(
        command, cwd=cwd, env=bare | environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of this project, by way of a source distribution as a release has it."""
    folder = tmp_path_factory.mktemp("wheel")
    tools, project = folder / "tools", folder / "project"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq"]
    fetched = subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", str(tools), "setuptools>=77"], capture_output=True, check=False
    )
    if fetched.returncode:
        pytest.skip("no package index is reached, and a build needs setuptools from it")
    for part in PARTS:
        target = project / part
        target.parent.mkdir(parents=True, exist_ok=True)
        is_folder = (ROOT / part).is_dir()
        (shutil.copytree if is_folder else shutil.copy)(ROOT / part, target)
    for file in FILES:
        shutil.copy(ROOT / file, project)
    # What dbt writes into a checkout is no part of it.
    (project / "dbt_project" / "target").mkdir(exist_ok=True)
    (project / "dbt_project" / "target" / "generated.sql").touch()
    said(*pip, "wheel", "--no-deps", "--no-index", "-f", str(tools), "-w", str(folder), str(project), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.slowest
def test_what_is_installed_runs_in_any_folder_and_writes_nothing_into_itself(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert not [name for name in names if "target" in name or "/." in name]
    ours = {
        str(path.relative_to(ROOT)) for path in ROOT.glob("dbt_project/[mst]*/**/*.*") if "target" not in path.parts
    }
    assert {name.removeprefix("greenery_assets/") for name in names} >= ours

    # The packages of this environment, so that nothing is downloaded; what it has of the project itself comes later.
    place = tmp_path / "venv"
    venv.create(place, with_pip=False, symlinks=True)
    packages = next((place / "lib").glob("python*/site-packages"))
    (packages / "present.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    python = str(place / "bin" / "python")
    said(
        python, "-m", "pip", "install", "-qq", "--no-deps", "--no-index", "--ignore-installed", str(wheel), cwd=tmp_path
    )
    package = packages / "greenery_assets"
    for path in (*package.rglob("*"), package):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    # As root it could be written all the same.
    before = {path: path.stat().st_mtime_ns for path in (*package.rglob("*"), package)}

    folder = tmp_path / "a shop"
    folder.mkdir()
    # Programs of the other packages are where those are.
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "PATH": programs}
    printed = said(str(place / "bin" / "greenery"), "run", cwd=folder, **environment)
    assert "checks hold" in printed
    assert "Warehouse  data/greenery.duckdb" in printed
    said(python, "-m", "greenery_assets", "docs", cwd=folder, **environment)
    assert {path.name for path in folder.iterdir()} == {"data", "dagster_home"}
    assert {path.name for path in (folder / "data").iterdir()} >= {"sample", "report", "greenery.duckdb"}
    with duckdb.connect(str(folder / "data" / "greenery.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) > 0 from core.fact_orders").fetchone() == (True,)
    assert {path: path.stat().st_mtime_ns for path in (*package.rglob("*"), package)} == before
