"""dbt's exposures name the tables that the page and the daily message really read."""

import re

from greenery_assets.dbt.project import prepared_manifest, tables_of
from tests.job import ROOT


def test_the_page_depends_on_the_tables_that_it_reads() -> None:
    texts = [path.read_text() for path in (ROOT / "greenery_assets" / "report").glob("*.py")]
    read = {name for text in texts for name in re.findall(r"\b(?:from|join)\s+((?:core|marketing|product)\.\w+)", text)}
    assert read
    exposed = {".".join(table) for table in tables_of("state_of_the_data")}
    assert exposed == read | {"raw.events", "raw.orders"}, "dbt_project/models/exposures.yml names other tables"


def test_the_page_in_dagster_has_the_dependencies_of_its_exposure() -> None:
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    [page] = [spec for spec in defs.resolve_all_asset_specs() if spec.key.path[-1] == "state_of_the_data"]
    assert {tuple(dep.asset_key.path) for dep in page.deps} == set(tables_of("state_of_the_data"))


def test_the_daily_message_depends_on_its_key_figures() -> None:
    from greenery_assets.assets.figures import FIGURES  # noqa: PLC0415  reads the settings

    # What moved since an earlier day is said of orders and revenue too.
    wanted = {(figure.schema, figure.table) for figure in FIGURES} | {("product", "fact_daily")}
    assert set(tables_of("daily_message")) == wanted


def test_an_exposure_is_described_and_belongs_to_the_owner_of_a_group() -> None:
    manifest = prepared_manifest()
    owners = {(group["owner"]["name"], group["owner"]["email"]) for group in manifest["groups"].values()}
    assert manifest["exposures"]
    for exposure in manifest["exposures"].values():
        assert exposure["description"], exposure["name"]
        assert (exposure["owner"]["name"], exposure["owner"]["email"]) in owners, exposure["name"]
