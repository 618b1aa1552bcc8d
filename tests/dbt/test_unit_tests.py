"""dbt's own unit tests of the models, which lie beside them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.job import ROOT, Home, Outcome


@pytest.mark.slow
def test_the_unit_tests_of_the_models_pass(built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path) -> None:
    home = built[0].copy(tmp_path)
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"), "test", "--select", "test_type:unit", "--profiles-dir", ".",
            "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs"),
        ],
        cwd=ROOT / "dbt_project",
        env={**os.environ, **home.environment(sample_dir)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    results = json.loads((tmp_path / "target" / "run_results.json").read_bytes())["results"]
    passed = {result["unique_id"].split(".")[-1] for result in results if result["status"] == "pass"}
    written = (path.read_text() for path in ROOT.glob("dbt_project/models/**/*_unit_tests.yml"))
    assert passed == {name for text in written for name in re.findall("^  - name: (\\w+)", text, re.MULTILINE)}
    assert passed
