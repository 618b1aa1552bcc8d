"""What the README and the pages in docs promise is there."""

import re
import subprocess
import tomllib
from itertools import chain

import dagster as dg
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from greenery_assets.alerts.cli import app
from greenery_assets.dbt.project import manifest
from tests.job import ROOT

PAGES = {path: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
RUNBOOK = PAGES[ROOT / "docs" / "runbook.md"]
EVERYTHING = "\n".join(PAGES.values())
# What the recipes of docs/contributing.md make.
WRITTEN_BY_THE_READER = {
    "data/alerts.yml",
    "data/diff.md",
    "dbt_project/tests/assumptions/promo_discount_is_at_most_50_dollars.sql",
    "dbt_project/models/marts/finance/fact_daily_shipping.sql",
    "dbt_project/models/marts/finance/finance.yml",
}


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


def test_every_file_that_is_named_is_there() -> None:
    folders = ("greenery_assets", "dbt_project", "tests", "bench", "docs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.*")] + list(ROOT.glob("*.*"))
    there = "\n".join(f"/{path.relative_to(ROOT)}" for path in files) + "\n"
    stale = [
        f"{page.relative_to(ROOT)}: {name}"
        for page, text in PAGES.items()
        for name in re.findall(r"`([\w./]+\.(?:py|sql|yml|md|toml))`", text)
        if f"/{name}\n" not in there and name not in WRITTEN_BY_THE_READER
    ]
    assert stale == []


def test_the_house_is_drawn_as_its_contract_says() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    drawn = re.search(r"```\n(__main__\n.+?)```", PAGES[ROOT / "docs" / "architecture.md"], re.DOTALL)
    assert drawn
    rooms = [re.split(r"  +", line)[0] for line in drawn[1].splitlines()]
    assert rooms == contract["layers"], "the house in docs/architecture.md is not that of pyproject.toml"


def test_what_is_installed_is_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    named = re.findall(r"(?:--branch v|greenery_assets-)(\d+\.\d+\.\d+)", PAGES[ROOT / "docs" / "deployment.md"])
    assert set(named) == {version}, "docs/deployment.md installs another version"


def test_every_page_is_reached_from_the_readme() -> None:
    named = set(re.findall(r"\]\((docs/\w+\.md)\)", PAGES[ROOT / "README.md"]))
    assert named == {f"docs/{page.name}" for page in PAGES if page.parent == ROOT / "docs"}


def test_every_command_of_the_alerts_that_is_named_exists() -> None:
    promised = set(re.findall(r"greenery_assets alerts ([a-z]+)", EVERYTHING))
    assert {"status", "test", "ack", "silence"} <= promised
    assert promised <= {command.callback.__name__ for command in app.registered_commands if command.callback}


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    from greenery_assets.definitions import defs  # noqa: PLC0415  seconds, which the others need not pay

    return defs


@pytest.fixture(scope="module")
def severities(defs: dg.Definitions) -> dict[str, str]:
    """Every assumption that a check holds, and its severities: ERROR, WARN, or both."""
    found: dict[str, set[str]] = {}
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        metadata = graph.get_check_spec(key).metadata
        found.setdefault(metadata["assumption"], set()).add(metadata["severity"])
    return {name: ", ".join(sorted(each)) for name, each in found.items()}


def test_the_page_of_tables_names_every_table() -> None:
    page = PAGES[ROOT / "docs" / "tables.md"]
    named = set(re.findall(r"`([a-z_]+)`", page))
    built = [node for node in manifest()["nodes"].values() if node["resource_type"] in ("model", "snapshot")]
    staging = {node["name"] for node in built if node["name"].startswith("stg_")}
    missing = {node["name"] for node in built} - staging - named
    assert missing == set(), "docs/tables.md does not name these"
    schemas = set(re.findall(r"^\| \*\*(\w+)\*\*", page, re.MULTILINE))
    assert {node["schema"] for node in built} - schemas == set(), "docs/tables.md has no heading for these schemas"
    there = {node["name"] for node in (*built, *manifest()["sources"].values())} | {
        "durations",
        "rejected_rows",
        "extra_columns",
        "tables",
        "source",
    }
    assert {name for name in named if "." not in name} - there == set(), (
        "docs/tables.md names these, which are no tables"
    )


def test_the_table_of_checks_is_true(severities: dict[str, str]) -> None:
    rows = re.findall(r"^\| (A\d\d|alerts) \| .+ \| ([A-Z, ]+) \|$", PAGES[ROOT / "docs" / "checks.md"], re.MULTILINE)
    there = [f"| {name} | ... | {severity} |" for name, severity in rows]
    wanted = [f"| {name} | ... | {severity} |" for name, severity in sorted(severities.items())]
    assert there == wanted, "the table in docs/checks.md is not that of the checks"


def test_the_runbook_knows_every_assumption(severities: dict[str, str]) -> None:
    table = RUNBOOK[RUNBOOK.index("## By assumption") :]
    missing = {name for name in severities if not re.search(rf"^\|[^|]*\b{name}\b", table, re.MULTILINE)}
    assert missing == set(), "the table By assumption in docs/runbook.md has no row for these"


def test_every_assumption_that_is_named_is_one(severities: dict[str, str]) -> None:
    # The recipes make one up.
    pages = [page for page in PAGES if page.name != "contributing.md"]
    files = [*pages, ROOT / ".env.example", *(ROOT / "greenery_assets").rglob("*.py")]
    named = {(file.relative_to(ROOT), name) for file in files for name in re.findall(r"\bA\d\d\b", file.read_text())}
    assert [f"{file} names {name}, which no check holds" for file, name in named if name not in severities] == []


@pytest.mark.filterwarnings("ignore:.*include_sources:dagster_shared.utils.warnings.BetaWarning")
def test_every_selection_that_is_named_selects_something(defs: dg.Definitions) -> None:
    selections = re.findall(r"'((?:key|group):[^']+)'", EVERYTHING)
    assert len(selections) >= 5
    for selection in selections:
        assert dg.AssetSelection.from_string(selection).resolve(defs.resolve_asset_graph()), selection


def test_the_lock_names_no_place() -> None:
    lines = (ROOT / "requirements.lock").read_text().split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    # Spark is hundreds of megabytes: what `make` installs does not have it.
    locked_too = [needed for name, needed in extras.items() if name not in ("spark", "spark-server")]
    asked = map(Requirement, [*project["dependencies"], *chain(*locked_too)])
    lines = (line.split("==") for line in (ROOT / "requirements.lock").read_text().split())
    locked = {canonicalize_name(name): version for name, version in lines}
    wrong = [
        f"{each}: {locked.get(canonicalize_name(each.name), 'missing')}"
        for each in asked
        if each.name != project["name"] and locked.get(canonicalize_name(each.name), "0") not in each.specifier
    ]
    assert wrong == [], "requirements.lock is older than pyproject.toml: make lock"
