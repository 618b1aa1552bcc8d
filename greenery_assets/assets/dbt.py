"""The dbt project as Dagster assets, each dbt test as a check on the asset it is about."""

import json
import os
from collections.abc import Iterator

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from greenery_assets.assets.dbt_events import BuildEvent, asset_events
from greenery_assets.assets.translator import GreeneryTranslator
from greenery_assets.project import WAREHOUSE_POOL, dbt_project, prepared_manifest
from greenery_assets.quality import PREVIEW_ROWS, PREVIEW_VALUE, SHAREABLE_COLUMNS
from greenery_assets.settings import load_settings

MANIFEST = prepared_manifest()
# What macros/log_built_relation.sql may report of rows.
PREVIEW = json.dumps({"columns": sorted(SHAREABLE_COLUMNS), "text": PREVIEW_VALUE, "rows": PREVIEW_ROWS})


@dbt_assets(
    manifest=MANIFEST,
    project=dbt_project,
    dagster_dbt_translator=GreeneryTranslator(),
    pool=WAREHOUSE_POOL,
)
def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[BuildEvent]:
    """Build and test the selected models with one `dbt build`; a failed ERROR test stops what depends on it."""
    warehouse = load_settings().warehouse_path
    # Unit tests try the SQL, not the data: they are part of `make test`.
    build = ["build", "--exclude-resource-type", "unit_test"]
    # As an argument it would fill the first lines of every run's log.
    os.environ["GREENERY_PREVIEW"] = PREVIEW
    invocation = dbt.cli(build, context=context, raise_on_error=False)
    yield from asset_events(invocation, context, warehouse)
