"""The dbt project as Dagster assets, each dbt test as a check on the asset it is about."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from greenery_assets import landing
from greenery_assets.dbt.events import BuildEvent, asset_events
from greenery_assets.dbt.project import WAREHOUSE_POOL, dbt_project, manifest
from greenery_assets.dbt.publishing import descriptions, found_by_table
from greenery_assets.dbt.refresh import (
    ASKED_FOR,
    DaysError,
    broken_guards,
    by_month,
    definition,
    full_refresh_reason,
    is_first_build,
    is_loaded,
    months,
    named_days,
    variables,
)
from greenery_assets.dbt.translator import GreeneryTranslator
from greenery_assets.failures import explained, failure
from greenery_assets.privacy import (
    PREVIEW_ROWS,
    SHAREABLE_COLUMNS,
    SHOWN_DATA_TYPES,
    files_below,
    known_texts,
    without_file_names,
)
from greenery_assets.settings import Settings, load_settings
from greenery_assets.warehouse import (
    Connection,
    Place,
    WarehouseMissingError,
    held,
    open_for_reading,
    publish,
    recorded_source,
)

MANIFEST = manifest()
TEXTS = known_texts(MANIFEST)
# What macros/log_built_relation.sql may report of rows.
PREVIEW = json.dumps(
    {
        "columns": {column: sorted(TEXTS.get(column, ())) for column in sorted(SHAREABLE_COLUMNS)},
        "types": SHOWN_DATA_TYPES,
        "rows": PREVIEW_ROWS,
    }
)
# On the run, so that whoever looks at it sees why it took so long.
FULL_REFRESH_TAG = "greenery/full_refresh"
# `new` or `all`: what the checks whose cost would grow with the history look at.
CHECKS_TAG = "greenery/checks"
# dbt's logs and artifacts of so many runs stay to be looked at, each of some megabytes.
TARGETS_KEPT = 20
TRANSLATOR = GreeneryTranslator()
Answer = TypeVar("Answer")


class BuildConfig(dg.Config):
    """What to build and check besides the days that are affected by what was loaded.

    `full_refresh` rebuilds every model from all of the history, `full_checks` checks all of it. `days` are rebuilt too:
    2026-11-01, or 2026-11-01..2026-11-07.
    """

    full_refresh: bool = False
    full_checks: bool = False
    days: str = ""


@dbt_assets(
    manifest=MANIFEST,
    project=dbt_project,
    dagster_dbt_translator=TRANSLATOR,
    pool=WAREHOUSE_POOL,
)
def dbt_models(
    context: dg.AssetExecutionContext,
    dbt: DbtCliResource,
    config: BuildConfig,
) -> Iterator[BuildEvent]:
    """Build and test the selected models with one `dbt build`; a failed ERROR test stops what depends on it.

    The days that are affected by what was loaded are rebuilt and looked at (dbt_project/macros/days.sql), unless there
    is a reason to rebuild everything. What passed its checks is then published, where readers have a file of their own.
    Raises dagster.Failure if nothing was loaded, or if `days` names no days.
    """
    settings = load_settings()
    # Also of what is asked of the warehouse before and after.
    with explained(settings.warehouse):
        yield from _build(context, dbt, config, settings)


def _build(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, config: BuildConfig, settings: Settings
) -> Iterator[BuildEvent]:
    warehouse = settings.warehouse
    if not _ask(warehouse, is_loaded):
        raise failure(
            "This release has not loaded the source tables into the warehouse yet, so there is nothing to build from: "
            "make run, or materialize all of raw first.",
            allow_retries=False,
        )
    _refuse_changed_files(warehouse)
    # Unit tests try the SQL, not the data: they are part of `make test`.
    # Whoever loads this module has the project parsed whole if anything in it has changed (dbt/project.py).
    build = ["build", "--partial-parse", "--exclude-resource-type", "unit_test"]
    try:
        days = named_days(config.days)
    except DaysError as error:
        raise failure(str(error), allow_retries=False) from None
    reason = ASKED_FOR if config.full_refresh else _ask(warehouse, lambda it: full_refresh_reason(it, MANIFEST))
    # As an argument it would fill the first lines of every run's log.
    os.environ["GREENERY_PREVIEW"] = PREVIEW
    checks = "all" if config.full_checks or reason else "new"
    context.instance.add_run_tags(context.run.run_id, {CHECKS_TAG: checks})
    os.environ["GREENERY_CHECKS"] = checks
    os.environ |= {"GREENERY_RUN_ID": context.run.run_id, "GREENERY_KEEP_DAYS": str(settings.keep_days)}
    os.environ["GREENERY_DEFINITION"] = definition(MANIFEST)
    if reason:
        context.log.info(f"Full refresh of the selected models: {reason}.")
        context.instance.add_run_tags(context.run.run_id, {FULL_REFRESH_TAG: reason})
    with held(warehouse):
        if reason or _ask(warehouse, lambda it: is_first_build(it, MANIFEST)):
            build += _full_refresh(dbt, warehouse, context)
        elif days:
            build += variables(days)
        invocation = dbt.cli(build, context=context, raise_on_error=False)
        seen = yield from asset_events(invocation, context, warehouse)
        _refuse_changed_files(warehouse)
        if isinstance(warehouse, Path):
            publish(
                warehouse,
                settings.warehouse_path,
                found_by_table(MANIFEST, context.selected_asset_keys, context.selected_asset_check_keys, seen),
                descriptions(MANIFEST),
                run_id=context.run.run_id,
                at=datetime.now(UTC).replace(microsecond=0, tzinfo=None),
                memory_limit=settings.memory_limit,
            )
    if not reason and (guards := _ask(warehouse, broken_guards)):
        context.log.info(f"All days were rebuilt: {guards}.")
        context.instance.add_run_tags(context.run.run_id, {FULL_REFRESH_TAG: guards, CHECKS_TAG: "all"})
    _remove_old_targets(context.op_execution_context.op.name)


def _remove_old_targets(op_name: str) -> None:
    folders = sorted(dbt_project.manifest_path.parent.glob(f"{op_name}-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-TARGETS_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _full_refresh(dbt: DbtCliResource, warehouse: Place, context: dg.AssetExecutionContext) -> list[str]:
    """The arguments of a full refresh; where it is large and of all models, all but its last part is done before."""
    parts = [] if context.is_subset else _ask(warehouse, months)
    if parts:
        (gate, *before), last = by_month(parts)
        # A session that is too long may lie in several parts. A check of the gate that fails is reported by the build.
        if _is_successful(dbt, gate, context) and not _ask(warehouse, broken_guards):
            for number, arguments in enumerate(before, 1):
                if not _is_successful(dbt, arguments, context):
                    raise failure(
                        f"dbt could not build part {number} of {len(before)} of a full refresh by month. Usually "
                        "memory or the disk ran out: lower GREENERY_MEMORY_LIMIT or make room, and run again. Why is "
                        "in dbt.log, in the newest folder of dbt_project/target."
                    )
            return last
    return ["--full-refresh"]


def _is_successful(dbt: DbtCliResource, arguments: list[str], context: dg.AssetExecutionContext) -> bool:
    """Run a part, whose output is kept with those of other builds."""
    target = dbt_project.manifest_path.with_name(f"{context.op_execution_context.op.name}-{uuid4()}")
    return dbt.cli(arguments, target_path=target, raise_on_error=False).is_successful()


def _ask(warehouse: Place, question: Callable[[Connection], Answer | None]) -> Answer | None:
    try:
        with open_for_reading(warehouse) as connection:
            return question(connection)
    except WarehouseMissingError:
        return None


def _refuse_changed_files(warehouse: Place) -> None:
    """Stop where a source file that models read in place is not the one that was loaded and checked."""
    try:
        with open_for_reading(warehouse) as connection:
            changed, source = landing.changed_in_place(connection), recorded_source(connection)
    except WarehouseMissingError:
        return
    if changed:
        files = f"{', '.join(changed[:3])}{' and others' * (len(changed) > 3)}"
        tables = [table["name"] for table in MANIFEST["sources"].values()]
        raise failure(
            f"{without_file_names(files, files_below(source.folder) if source else (), tables)} changed after loading, "
            "so the models may have read what was not checked. Run again when the export is complete: the files are "
            "loaded once more.",
            allow_retries=False,
        )
