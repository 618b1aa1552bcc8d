"""The dbt project as Dagster assets, each dbt test as a check on the asset it is about."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource, dbt_assets

from greenery_assets.assets.dbt_events import BuildEvent, asset_events
from greenery_assets.assets.translator import GreeneryTranslator
from greenery_assets.project import WAREHOUSE_POOL, dbt_project, prepared_manifest
from greenery_assets.quality import PREVIEW_ROWS, PREVIEW_VALUE, SHAREABLE_COLUMNS, read_warehouse
from greenery_assets.refresh import ASKED_FOR, full_refresh_reason
from greenery_assets.settings import load_settings

MANIFEST = prepared_manifest()
# What macros/log_built_relation.sql may report of rows.
PREVIEW = json.dumps({"columns": sorted(SHAREABLE_COLUMNS), "text": PREVIEW_VALUE, "rows": PREVIEW_ROWS})
# On the run, so that whoever looks at it sees why it took so long.
FULL_REFRESH_TAG = "greenery/full_refresh"


class BuildConfig(dg.Config):
    """How to build: `full_refresh` builds every model from all of the history, `full_checks` checks all of it."""

    full_refresh: bool = False
    full_checks: bool = False


@dbt_assets(
    manifest=MANIFEST,
    project=dbt_project,
    dagster_dbt_translator=GreeneryTranslator(),
    pool=WAREHOUSE_POOL,
)
def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource, config: BuildConfig) -> Iterator[BuildEvent]:
    """Build and test the selected models with one `dbt build`; a failed ERROR test stops what depends on it.

    Models are kept up to date with what was loaded since they were built last, unless there is a reason to build
    them anew. Checks whose cost would grow with the history look at what is new and at what failed before
    (macros/checks.sql), unless all is asked for or built anew.
    """
    warehouse = load_settings().warehouse_path
    # Unit tests try the SQL, not the data: they are part of `make test`.
    # Whoever loads this module has the project parsed whole if anything in it has changed (project.py).
    build = ["build", "--partial-parse", "--exclude-resource-type", "unit_test"]
    reason = ASKED_FOR if config.full_refresh else _reason_to_refresh(warehouse)
    if reason:
        context.log.info(f"Full refresh of the selected models: {reason}.")
        context.instance.add_run_tags(context.run.run_id, {FULL_REFRESH_TAG: reason})
        build.append("--full-refresh")
    # As an argument it would fill the first lines of every run's log.
    os.environ["GREENERY_PREVIEW"] = PREVIEW
    os.environ["GREENERY_CHECKS"] = "all" if config.full_checks else "new"
    invocation = dbt.cli(build, context=context, raise_on_error=False)
    yield from asset_events(invocation, context, warehouse)


def _reason_to_refresh(warehouse: Path) -> str | None:
    try:
        with read_warehouse(warehouse) as connection:
            return full_refresh_reason(connection, MANIFEST)
    except duckdb.IOException:
        # There is none yet, or it is open elsewhere, which dbt says better.
        return None
