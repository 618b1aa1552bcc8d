"""What stands in several files of the repository is the same in each: version, Pythons, license, steps of CI."""

import re
import tomllib

import yaml
from packaging.specifiers import SpecifierSet

from tests.job import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
PYTHONS = {f"3.{minor}" for minor in range(30) if f"3.{minor}" in SpecifierSet(PROJECT["requires-python"])}


def test_every_supported_python_is_declared_and_tested() -> None:
    declared = {name.split(" :: ")[-1] for name in PROJECT["classifiers"] if " :: Python :: 3." in name}
    assert declared == PYTHONS
    assert set(WORKFLOW["jobs"]["tests"]["strategy"]["matrix"]["python"]) == PYTHONS


def test_the_workflow_runs_what_ci_runs() -> None:
    steps = WORKFLOW["jobs"]["whole"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_changelog_ends_each_version_with_its_date_and_knows_this_one() -> None:
    headings = re.findall(r"^## (.+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    versions = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert [version for version in versions if version is None] == []
    assert versions[0] is not None
    assert versions[0][1] == PROJECT["version"]


def test_the_pages_install_and_tag_this_version() -> None:
    pages = (ROOT / "docs" / name for name in ("deployment.md", "contributing.md"))
    tags = [tag for page in pages for tag in re.findall(r"git (?:clone --branch|tag) v(\S+?)[` ]", page.read_text())]
    assert tags == [PROJECT["version"]] * 2


def test_the_license_is_the_one_that_the_project_declares() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert PROJECT["license-files"] == ["LICENSE"]
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
