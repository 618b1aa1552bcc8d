"""A dbt project that cannot be parsed is explained, and is not taken for the one that was parsed before."""

import shutil
from pathlib import Path

import pytest
from dagster_dbt import DbtProject

from greenery_assets.dbt import project
from greenery_assets.dbt.project import DBT_PROJECT_DIR, DbtError, prepared_manifest


@pytest.mark.slow
def test_a_mistake_in_a_model_is_named_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "dbt_project"
    shutil.copytree(DBT_PROJECT_DIR, copy, ignore=shutil.ignore_patterns("target", "logs"))
    model = copy / "models" / "marts" / "core" / "dim_users.sql"
    model.write_text(model.read_text() + "{{ no_such(")
    monkeypatch.setattr(project, "DBT_PROJECT_DIR", copy)
    monkeypatch.setattr(project, "dbt_project", DbtProject(project_dir=copy, profiles_dir=copy))
    with pytest.raises(DbtError, match=r"(?s)^dbt cannot parse .*dim_users \(models/marts/core/dim_users\.sql\)"):
        prepared_manifest()
    assert not (copy / "target" / "manifest.json").exists()
