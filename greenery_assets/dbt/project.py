"""Where the dbt project is, and its manifest, kept up to date. Imports no assets."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dagster_dbt import DagsterDbtCliRuntimeError, DbtProject
from filelock import FileLock

from greenery_assets.preparation import prepare
from greenery_assets.settings import BESIDE, PostgresAddress, Settings, load_settings

DBT_PROJECT_DIR = BESIDE / "dbt_project"
SOURCES_YAML = DBT_PROJECT_DIR / "models" / "sources.yml"
# Every op that opens the warehouse file is in this pool of one (dagster.yaml): DuckDB has one writer.
WAREHOUSE_POOL = "warehouse"
# dbt that ends with whoever reads it (dbt/child.py).
DBT_COMMAND = "greenery-dbt"


class DbtError(Exception):
    """dbt failed, or its output cannot be used; the text says why and what to do."""


dbt_project = DbtProject(
    project_dir=DBT_PROJECT_DIR, profiles_dir=DBT_PROJECT_DIR, target_path=load_settings().dbt_target
)


def dbt_executable() -> str:
    """Our dbt command, beside the Python that runs this or on the PATH. Raises DbtError where it is not installed."""
    # A virtual environment need not be activated to be used.
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(DBT_COMMAND, path=places)
    if found is None:
        raise DbtError(f"{DBT_COMMAND} is not installed: run make run once more, or pip install -e . again.")
    return found


def prepared_manifest() -> Mapping[str, Any]:
    """Parse the dbt project if anything in it changed since the last parse, and return its manifest.

    Every process that loads the definitions calls this before it starts dbt, so it prepares the environment too.
    `prepare_if_dev` would parse only under `dagster dev`; a clean clone must load anywhere. Raises SettingsError;
    DbtError if the project cannot be parsed or dbt's folder cannot be written.
    """
    settings = load_settings()
    prepare(settings)
    # dagster-dbt finds dbt on the PATH only; a virtual environment need not be activated to be used.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    target = dbt_project.manifest_path.parent
    try:
        target.mkdir(exist_ok=True)
        # The web server, the daemon and a run may load the code at the same moment.
        with FileLock(target / ".prepare.lock"):
            if _is_stale(dbt_project.manifest_path):
                dbt_project.preparer.prepare(dbt_project)
            manifest = _read()
            if not _is_for(manifest, settings):
                dbt_project.preparer.prepare(dbt_project)
                manifest = _read()
            return manifest
    except DagsterDbtCliRuntimeError as error:
        raise DbtError(f"dbt cannot parse {DBT_PROJECT_DIR}; correct what it names. {error}") from None
    except OSError as error:
        raise DbtError(
            f"{error.filename or target} cannot be used ({error.strerror}), where dbt keeps what it parsed; make the "
            "project's folder writable, or make room."
        ) from None


@cache
def manifest() -> Mapping[str, Any]:
    """The manifest, read once by this process. Raises what prepared_manifest raises."""
    return prepared_manifest()


def tables_of(exposure: str) -> list[tuple[str, str]]:
    """Schema and name of the tables that an exposure of dbt's YAML depends on."""
    nodes = {**manifest()["nodes"], **manifest()["sources"]}
    named = manifest()["exposures"][f"exposure.greenery.{exposure}"]["depends_on"]["nodes"]
    return [(nodes[unique_id]["schema"], nodes[unique_id]["name"]) for unique_id in named]


def write_docs(page: Path) -> None:
    """Write dbt's documentation as one file that needs no server, with the columns as the warehouse has them.

    Raises DbtError.
    """
    prepared_manifest()
    command = ["dbt", "--quiet", "docs", "generate", "--static"]
    folders = ["--project-dir", str(DBT_PROJECT_DIR), "--profiles-dir", str(DBT_PROJECT_DIR)]
    done = subprocess.run([*command, *folders], cwd=DBT_PROJECT_DIR, capture_output=True, text=True, check=False)
    if done.returncode:
        # Where the database fails dbt shows its own code first.
        said = [line.strip() for line in (done.stdout or done.stderr).splitlines() if "Error" in line]
        raise DbtError(
            f"dbt could not write its documentation: {said[-1] if said else 'it does not say why'}\n"
            "If another program has the warehouse open, close it or wait for the run to end, and try again."
        )
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(dbt_project.manifest_path.with_name("static_index.html"), page)
    except OSError as error:
        raise DbtError(
            f"The documentation cannot be written to {page} ({error.strerror}); name another folder in "
            "GREENERY_REPORT_DIR, or make room."
        ) from None


def _read() -> Mapping[str, Any]:
    manifest: Mapping[str, Any] = json.loads(dbt_project.manifest_path.read_bytes())
    return manifest


def _is_for(manifest: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a project was parsed for the engine and, where a server has several, the database of a warehouse."""
    databases = {source["database"] for source in manifest["sources"].values()}
    place = settings.warehouse
    is_other = isinstance(place, PostgresAddress) and databases != {place.database}
    return bool(manifest["metadata"]["adapter_type"] == settings.engine) and not is_other


def _is_stale(manifest: Path) -> bool:
    if not manifest.exists():
        return True
    parsed_at = manifest.stat().st_mtime
    return any(
        path.stat().st_mtime > parsed_at
        for part in DBT_PROJECT_DIR.iterdir()
        # What dbt generates there is a lot.
        if part.name not in {"target", "logs"}
        for path in (part, *part.rglob("*"))
    )
