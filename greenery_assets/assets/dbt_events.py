"""A running `dbt build` as Dagster events: live, with row counts and a few rows, and with failing rows shown.

dagster-dbt's own `fetch_row_counts` and `fetch_column_metadata` wait until dbt has let go of the DuckDB
file, which keeps every event back to the end; here dbt itself reports all (macros/log_built_relation.sql).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliInvocation
from duckdb import CatalogException, DuckDBPyConnection

from greenery_assets.assets.presentation import materialization_metadata, row_metadata, sample_metadata
from greenery_assets.assets.translator import test_meta
from greenery_assets.quality import SHAREABLE_REASON, Table, count, finding, known_texts, read_warehouse, sample

BuildEvent = (
    dg.Output[Any] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult | dg.AssetCheckEvaluation
)

# dbt's own bookkeeping, of no use to whoever reads a check.
BOOKKEEPING = {"invocation_id", "unique_id", "dagster_dbt/failed_row_count"}
BUILT_PREFIX = "greenery_built="


def asset_events(
    invocation: DbtCliInvocation, context: dg.AssetExecutionContext, warehouse: Path
) -> Iterator[BuildEvent]:
    """Each built model and evaluated test as it happens; failed tests last, when their rows can be read.

    Raises dagster.Failure when dbt failed for another reason than a failed check.
    """
    manifest: Mapping[str, Any] | None = None
    built: dict[str, dict[str, Any]] = {}
    broken: list[str] = []
    failed: list[dg.AssetCheckResult] = []
    for message in invocation.stream_raw_events():
        info, data = message.raw_event["info"], message.raw_event["data"]
        unique_id = data.get("node_info", {}).get("unique_id", "")
        if info["msg"].startswith(BUILT_PREFIX):
            built[unique_id] = _rows_in_short(info["msg"].removeprefix(BUILT_PREFIX))
        if not message.is_result_event:
            continue
        if data["status"] == "error":
            broken.append(unique_id)
        # Column lineage needs the names of this warehouse, which the manifest prepared earlier may not have.
        manifest = manifest or invocation.get_artifact("manifest.json")
        for event in message.to_default_asset_events(
            manifest=manifest,
            dagster_dbt_translator=invocation.dagster_dbt_translator,
            context=context,
            target_path=invocation.target_path,
            project=invocation.project,
        ):
            if isinstance(event, dg.AssetCheckResult):
                if event.passed:
                    yield _explained(event, context, {})
                else:
                    failed.append(event)
            else:
                yield _with_metadata(event, built.get(unique_id, {}))

    if failed:
        yield from _with_rows(failed, context, manifest or {}, warehouse)
    blocking = any(result.severity == dg.AssetCheckSeverity.ERROR for result in failed)
    if broken or (invocation.process.returncode != 0 and not blocking):
        # What dbt quotes of the database's errors may be of a row, and all who open Dagster's pages see this.
        said = _shareable(broken).get(SHAREABLE_REASON, "A check could not be evaluated.")
        log = invocation.target_path / "dbt.log"
        raise dg.Failure(f"{said} Why is in dbt's own log, {log}.", metadata=_shareable(broken))


def _rows_in_short(logged: str) -> dict[str, Any]:
    said = json.loads(logged)
    return materialization_metadata(said["rows"], Table(tuple(said["columns"]), tuple(map(tuple, said["preview"]))))


def _with_metadata(event: BuildEvent, metadata: Mapping[str, Any]) -> BuildEvent:
    return event.with_metadata({**event.metadata, **metadata}) if isinstance(event, dg.Output) else event


def _shareable(broken: list[str]) -> dict[str, str]:
    """Why dbt failed without what it quotes from the tables; nothing where its checks say it themselves."""
    models = sorted(unique_id.split(".")[-1] for unique_id in broken if not unique_id.startswith("test."))
    if models:
        return {SHAREABLE_REASON: f"dbt could not build {', '.join(models)}."}
    return {} if broken else {SHAREABLE_REASON: "dbt failed before it built anything."}


def _with_rows(
    failed: list[dg.AssetCheckResult],
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    warehouse: Path,
) -> Iterator[dg.AssetCheckResult]:
    texts = known_texts(manifest)
    with read_warehouse(warehouse) as connection:
        for result in failed:
            if result.metadata["status"].value == "error":
                yield _explained(result, context, {}, "This check could not be evaluated: its SQL failed.")
                continue
            test = manifest["nodes"][result.metadata["unique_id"].value]
            kept_in = f"{test['schema']}.{test['alias']}"
            failing, checked = _failing_rows(result), _rows_checked(connection, test, manifest)
            shown = {
                **row_metadata(failing, checked),
                **sample_metadata(sample(connection, kept_in, texts, about=_names_in(test)), kept_in),
            }
            template = test_meta(manifest, test["unique_id"]).get("finding", "")
            found = finding(connection, kept_in, template, texts) if template else _in_words(failing, checked)
            yield _explained(result, context, shown, found)


def _names_in(test: Mapping[str, Any]) -> set[str]:
    """What a generic test was given, the columns it is about among it."""
    given = (test.get("test_metadata") or {"kwargs": {}})["kwargs"].values()
    return {str(name) for value in given for name in (value if isinstance(value, list) else [value])}


def _explained(
    result: dg.AssetCheckResult,
    context: dg.AssetExecutionContext,
    metadata: Mapping[str, Any],
    description: str | None = None,
) -> dg.AssetCheckResult:
    key = dg.AssetCheckKey(dg.AssetKey.from_coercible(result.asset_key or ()), str(result.check_name))
    spec = context.assets_def.get_spec_for_check_key(key)
    return dg.AssetCheckResult(
        passed=result.passed,
        asset_key=result.asset_key,
        check_name=result.check_name,
        severity=result.severity,
        description=description,
        metadata={
            **{name: value for name, value in result.metadata.items() if name not in BOOKKEEPING},
            **{name: value for name, value in spec.metadata.items() if not name.startswith("dagster_dbt/")},
            **row_metadata(_failing_rows(result), None),
            **metadata,
        },
    )


def _failing_rows(result: dg.AssetCheckResult) -> int:
    reported = result.metadata.get("dagster_dbt/failed_row_count")
    return int(str(reported.value)) if reported else 0


def _rows_checked(connection: DuckDBPyConnection, test: Mapping[str, Any], manifest: Mapping[str, Any]) -> int | None:
    """The rows of the model that failing rows are rows of; None where there is none, or it is not built yet."""
    meta = test_meta(manifest, test["unique_id"])
    if meta.get("counts") == "nothing":
        return None
    name = meta.get("counts") or meta.get("dagster", {}).get("ref", {}).get("name")
    parents = [manifest["nodes"][parent] for parent in test["depends_on"]["nodes"] if parent in manifest["nodes"]]
    counted = next(
        (node for node in manifest["nodes"].values() if node["name"] == name),
        manifest["nodes"].get(test.get("attached_node") or "") or parents[0],
    )
    try:
        return count(connection, f"{counted['schema']}.{counted['alias']}")
    except CatalogException:
        return None


def _in_words(failing: int, checked: int | None) -> str:
    rows = "row" if failing == 1 else "rows"
    if checked is None or failing > checked:
        return f"{failing:,} {rows}."
    return f"{failing:,} of {checked:,} rows ({failing / checked:.1%})."
