"""Puts the dbt project and Dagster's settings into the wheel. All else about the package is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


class BuildWithProject(build_py):
    """The package with what lies beside it in a checkout (greenery_assets/settings.py, BESIDE)."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib, "greenery_assets")
        generated = shutil.ignore_patterns("target", "logs", ".*")
        shutil.copytree(HERE / "dbt_project", package / "dbt_project", ignore=generated, dirs_exist_ok=True)
        (package / "dagster_home").mkdir(exist_ok=True)
        shutil.copy(HERE / "dagster_home" / "dagster.yaml", package / "dagster_home")


setup(cmdclass={"build_py": BuildWithProject})
