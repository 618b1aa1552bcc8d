"""A model whose columns are not those of its YAML is not built, and people read which columns differ."""

from pathlib import Path

import pytest

from greenery_assets.dbt.failures import contract_broken
from greenery_assets.dbt.project import prepared_manifest
from tests.job import Home, Outcome, copy_of_project

YAML = "models/marts/marketing/marketing.yml"


def test_every_mart_has_a_contract() -> None:
    marts = [node for node in prepared_manifest()["nodes"].values() if "mart" in node["tags"]]
    assert marts
    assert [node["name"] for node in marts if not node["config"]["contract"]["enforced"]] == []


def test_what_differs_is_said_by_column() -> None:
    described = {"a": "integer", "b": "text", "c": "date"}
    assert contract_broken("fact", YAML, {"a": "bigint", "d": "text", "c": "date"}, described) == (
        "dbt could not build fact, as its columns differ from its contract: a is bigint in the SQL, but integer in "
        f"the YAML; b is in the YAML only; d is in the SQL only. Correct the SQL or dbt_project/{YAML}, and run again."
    )


def test_of_many_differences_the_first_are_said() -> None:
    said = contract_broken("fact", YAML, {}, {f"column_{number}": "text" for number in range(9)})
    assert "column_2 is in the YAML only; 6 more." in said
    assert "column_3" not in said


@pytest.mark.slow
@pytest.mark.slowest
def test_a_broken_contract_fails_the_run_and_is_reported_in_plain_words(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home = built[0].copy(tmp_path / "home")
    project = copy_of_project(tmp_path / "project")
    models = project / "dbt_project" / "models" / "marts"
    for file, right, wrong in (
        (
            "product/product.yml",
            "{name: session_date, data_type: date, description: \"{{ doc('session_date') }} T",
            "{name: session_date, data_type: timestamp, description: \"{{ doc('session_date') }} T",
        ),
        # One that is rebuilt by day: most runs only add to its table.
        ("core/fact_orders.sql", "order_total as amount,", "order_total as total,"),
    ):
        text = (models / file).read_text()
        assert right in text
        (models / file).write_text(text.replace(right, wrong))
    before = home.fingerprints()
    done = home.command(sample_dir, "run", project=project)
    assert done.returncode == 1
    told = (home.dagster_home / "alerts.log").read_text()
    for said in (
        "fact_page_views, as its columns differ from its contract: session_date is DATE in the SQL, but TIMESTAMP",
        "fact_orders, as its columns differ from its contract: amount is in the YAML only; total is in the SQL",
    ):
        assert said in told
        assert said in " ".join(done.stdout.split())
    # dbt's own message is where it belongs.
    log = max((project / "dbt_project" / "target").glob("dbt_models-*/dbt.log"))
    assert "This model has an enforced contract that failed." in log.read_text()
    after = home.fingerprints()
    assert {name: after[name] for name in before} == before
