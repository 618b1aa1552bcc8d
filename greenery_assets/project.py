"""Where the dbt project lies and that its manifest is up to date. Imports no assets."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dagster_dbt import DbtProject
from filelock import FileLock

from greenery_assets.settings import PROJECT_ROOT, load_settings

DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"
SOURCES_YAML = DBT_PROJECT_DIR / "models" / "staging" / "sources.yml"
# Every op that opens the warehouse file is in this pool of one (dagster.yaml): DuckDB has one writer.
WAREHOUSE_POOL = "warehouse"

dbt_project = DbtProject(project_dir=DBT_PROJECT_DIR, profiles_dir=DBT_PROJECT_DIR)


def prepared_manifest() -> Mapping[str, Any]:
    """Parse the dbt project if anything in it changed since the last parse, and return its manifest.

    `prepare_if_dev` would parse only under `dagster dev`; a clean clone must load anywhere.
    """
    load_settings()
    # dagster-dbt finds dbt on the PATH only; a virtual environment need not be activated to be used.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    target = DBT_PROJECT_DIR / "target"
    target.mkdir(exist_ok=True)
    # The web server, the daemon and a run may load the code at the same moment.
    with FileLock(target / ".prepare.lock"):
        if _is_stale(dbt_project.manifest_path):
            dbt_project.preparer.prepare(dbt_project)
        manifest: Mapping[str, Any] = json.loads(dbt_project.manifest_path.read_bytes())
        return manifest


def _is_stale(manifest: Path) -> bool:
    if not manifest.exists():
        return True
    parsed_at = manifest.stat().st_mtime
    generated = {"target", "logs"}
    return any(
        path.stat().st_mtime > parsed_at
        for path in DBT_PROJECT_DIR.rglob("*")
        if not generated.intersection(path.relative_to(DBT_PROJECT_DIR).parts)
    )
