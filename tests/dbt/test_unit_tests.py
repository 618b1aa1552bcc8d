"""dbt's own unit tests of the models, which lie beside them."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from greenery_assets.dbt import project
from tests.job import ROOT, Home, Outcome


@pytest.mark.slow
def test_the_unit_tests_of_the_models_pass(built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path) -> None:
    home = built[0].copy(tmp_path)
    done = subprocess.run(
        [project.DBT_COMMAND, "test", "--select", "test_type:unit", "--log-path", str(tmp_path / "logs")],
        cwd=ROOT / "dbt_project",
        env={**os.environ, **home.environment(sample_dir), "DBT_TARGET_PATH": str(tmp_path / "target")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "target" / "run_results.json").read_bytes())["results"]
    passed = {result["unique_id"].split(".")[-1] for result in results if result["status"] == "pass"}
    written = (path.read_text() for path in ROOT.glob("dbt_project/models/**/*_unit_tests.yml"))
    assert passed == {name for text in written for name in re.findall("^  - name: (\\w+)", text, re.MULTILINE)}
    assert passed
