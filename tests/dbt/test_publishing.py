"""The rule by which tables of a run are held back, on a small project: raw.a, its view, a dim and two facts."""

from collections.abc import Collection
from typing import Any

import dagster as dg
import pytest

from greenery_assets.dbt.events import Seen
from greenery_assets.dbt.publishing import descriptions, found_by_table
from greenery_assets.warehouse import Found

PARENTS = {
    "staging.stg_a": ["source.a"],
    "core.dim_a": ["model.stg_a"],
    "core.fact_a": ["model.dim_a"],
    "core.fact_b": ["model.dim_a"],
}
CHECKS = {"staging.stg_a": ("id_is_there",), "core.dim_a": ("id_is_unique", "id_is_old"), "core.fact_a": ("adds_up",)}


def _node(name: str, parents: list[str]) -> dict[str, Any]:
    schema, table = name.split(".")
    columns = {"n": {"description": "A number."}}
    return {
        "unique_id": f"model.{table}",
        "resource_type": "model",
        "schema": schema,
        "alias": table,
        "name": table,
        "depends_on": {"nodes": parents},
        "description": f"What {table} is.",
        "columns": columns,
    }


NODES = [_node(name, parents) for name, parents in PARENTS.items()]
MANIFEST = {
    "nodes": {node["unique_id"]: node for node in NODES}
    | {
        "test.x": {"resource_type": "test", "schema": "quality", "alias": "x", "depends_on": {"nodes": ["model.dim_a"]}}
    },
    "sources": {
        "source.a": {"unique_id": "source.a", "schema": "raw", "name": "a", "description": "A.", "columns": {}}
    },
}


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("."))


def found(
    *failed: tuple[str, str, str],
    not_built: Collection[str] = (),
    not_evaluated: Collection[tuple[str, str]] = (),
    planned: Collection[str] = tuple(PARENTS),
) -> dict[str, Found]:
    results = [
        dg.AssetCheckResult(
            passed=False, asset_key=key(name), check_name=check, severity=dg.AssetCheckSeverity[severity]
        )
        for name, check, severity in failed
    ]
    checks = [dg.AssetCheckKey(key(name), check) for name in planned for check in CHECKS.get(name, ())]
    missing = {dg.AssetCheckKey(key(name), check) for name, check in not_evaluated}
    seen = Seen(len(planned), {key(name) for name in not_built}, missing, (), {}, results)
    return found_by_table(MANIFEST, [key(name) for name in planned], checks, seen)


def held(about: dict[str, Found]) -> dict[str, str]:
    return {name: one.held_back_by for name, one in about.items() if one.held_back_by}


def test_where_all_holds_nothing_is_held_back() -> None:
    about = found()
    assert held(about) == {}
    assert {name: one.checks for name, one in about.items()} == {
        "raw.a": None,
        "staging.stg_a": 1,
        "core.dim_a": 2,
        "core.fact_a": 1,
        "core.fact_b": 0,
    }


def test_a_warning_is_noted_and_holds_nothing_back() -> None:
    about = found(("core.dim_a", "id_is_old", "WARN"))
    assert held(about) == {}
    assert (about["core.dim_a"].errors, about["core.dim_a"].warnings) == ((), ("id_is_old",))


def test_an_error_holds_back_its_table_and_all_that_is_made_of_it() -> None:
    about = found(("core.dim_a", "id_is_unique", "ERROR"), not_built=["core.fact_a", "core.fact_b"])
    assert held(about) == {
        "core.dim_a": "failed: id_is_unique",
        "core.fact_a": "held back: core.dim_a; not built: core.fact_a",
        "core.fact_b": "held back: core.dim_a; not built: core.fact_b",
    }
    assert about["core.dim_a"].errors == ("id_is_unique",)


def test_an_error_about_a_source_table_holds_it_back_too() -> None:
    about = found(("staging.stg_a", "id_is_there", "ERROR"), not_built=["core.dim_a", "core.fact_a", "core.fact_b"])
    assert about["raw.a"].held_back_by == "held back: staging.stg_a"
    assert set(held(about)) == {"raw.a", *PARENTS}


@pytest.mark.parametrize("what", ["not_built", "not_evaluated"])
def test_what_was_not_done_is_no_success(what: str) -> None:
    about = (
        found(not_built=["core.fact_a"]) if what == "not_built" else found(not_evaluated=[("core.fact_a", "adds_up")])
    )
    assert set(held(about)) == {"core.fact_a"}
    assert about["core.fact_a"].checks == (1 if what == "not_built" else 0)


def test_a_run_of_one_table_speaks_of_that_one_alone() -> None:
    about = found(("core.fact_b", "odd", "ERROR"), planned=["core.fact_b"])
    assert held(about) == {"core.fact_b": "failed: odd"}
    assert set(about) == {"core.fact_b"}


def test_every_table_that_is_published_is_described() -> None:
    described = descriptions(MANIFEST)
    assert set(described) == {"raw.a", *PARENTS}
    assert (described["core.dim_a"].table, described["core.dim_a"].columns) == ("What dim_a is.", {"n": "A number."})
