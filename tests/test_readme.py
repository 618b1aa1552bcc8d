"""What the README promises is there."""

import re
import subprocess

from tests.job import ROOT

README = (ROOT / "README.md").read_text()


def test_every_make_target_in_the_readme_exists_and_make_lists_it() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    promised = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert {"run", "ui", "test", "lint", "sample"} <= promised
    assert promised <= set(re.findall(r"make ([a-z]+)", listed))


def test_every_link_in_the_readme_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_lock_names_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
