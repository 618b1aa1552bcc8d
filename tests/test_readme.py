"""What the README and the pages in docs promise is there."""

import re
import subprocess

import pytest
from dagster._core.definitions.antlr_asset_selection.antlr_asset_selection import AntlrAssetSelectionParser

from greenery_assets.alerts.cli import app
from tests.job import ROOT

PAGES = {path: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
RUNBOOK = PAGES[ROOT / "docs" / "runbook.md"]
EVERYTHING = "\n".join(PAGES.values())


def test_every_make_target_that_is_named_exists_and_make_lists_it() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    promised = set(re.findall(r"(?:`|^)make ([a-z-]+)", EVERYTHING, re.MULTILINE))
    assert {"run", "ui", "test", "lint", "sample", "report", "docs"} <= promised
    targets = set(re.findall(r"make ([a-z-]+)", listed))
    assert promised <= targets
    assert targets == set(re.findall(r"^\.PHONY: (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())


def test_every_link_leads_somewhere() -> None:
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            assert target.startswith("https://") or (page.parent / target).exists(), (page, target)


def test_every_page_is_reached_from_the_readme() -> None:
    named = set(re.findall(r"\]\((docs/\w+\.md)\)", PAGES[ROOT / "README.md"]))
    assert named == {f"docs/{page.name}" for page in PAGES if page.parent.name == "docs"}


def test_every_command_of_the_alerts_that_is_named_exists() -> None:
    promised = set(re.findall(r"greenery_assets alerts ([a-z]+)", EVERYTHING))
    assert {"status", "test", "ack", "silence"} <= promised
    assert promised <= {command.callback.__name__ for command in app.registered_commands if command.callback}


@pytest.mark.filterwarnings("ignore:.*include_sources:dagster_shared.utils.warnings.BetaWarning")
def test_the_runbook_knows_every_assumption_and_every_selection_in_it_selects_something() -> None:
    from greenery_assets.definitions import defs  # noqa: PLC0415  seconds, which the others need not pay

    graph = defs.resolve_asset_graph()
    assumptions = {graph.get_check_spec(key).metadata["assumption"] for key in graph.asset_check_keys}
    table = RUNBOOK[RUNBOOK.index("## By assumption") :]
    missing = {name for name in assumptions if not re.search(rf"^\|[^|]*\b{name}\b", table, re.MULTILINE)}
    assert missing == set()
    selections = re.findall(r"'((?:key|group):[^']+)'", EVERYTHING)
    assert len(selections) >= 5
    for selection in selections:
        assert AntlrAssetSelectionParser(selection).asset_selection.resolve(graph), selection


def test_the_lock_names_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
