"""What each check says when it fails: one line that is a headline, and which figures are wrong then."""

from string import Formatter

import pytest

from greenery_assets.dbt.project import prepared_manifest
from greenery_assets.dbt.translator import assumption_of
from greenery_assets.dbt.translator import test_meta as meta_of

MANIFEST = prepared_manifest()
TESTS = sorted(name for name, node in MANIFEST["nodes"].items() if node["resource_type"] == "test")


@pytest.mark.parametrize("test", TESTS, ids=lambda name: name.split(".")[2])
def test_a_dbt_test_says_what_it_found(test: str) -> None:
    finding = meta_of(MANIFEST, test)["finding"]
    names = {name for _, name, _, _ in Formatter().parse(finding) if name}
    assert names, finding
    # What a generic test was given is filled in; the number of rows, or columns of the rows, are left.
    given = (MANIFEST["nodes"][test].get("test_metadata") or {"kwargs": {}})["kwargs"]
    assert not names & {*given, "model"}
    assert finding.endswith(".")


@pytest.mark.parametrize("test", [test for test in TESTS if "test_metadata" not in MANIFEST["nodes"][test]], ids=str)
def test_an_assumption_names_the_figures_it_affects(test: str) -> None:
    affects = assumption_of(MANIFEST, test).affects
    assert affects
    assert "_" not in affects, "the words of those who read figures, not names of tables"


def test_a_fact_table_says_what_its_figures_are_called() -> None:
    facts = [node for node in MANIFEST["nodes"].values() if node["name"].startswith("fact_")]
    nameless = [
        f"{node['name']}: add config.meta.figures in {node['patch_path']}"
        for node in facts
        if node["resource_type"] == "model" and not node["config"]["meta"].get("figures")
    ]
    assert facts
    assert nameless == []
