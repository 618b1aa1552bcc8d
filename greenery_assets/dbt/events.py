"""A running `dbt build` as Dagster events: live, with row counts and a few rows, and with failing rows shown.

dagster-dbt's own `fetch_row_counts` and `fetch_column_metadata` wait until dbt has closed the DuckDB file, so all
events would come at the end. Here dbt itself reports row counts and rows (macros/log_built_relation.sql).
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliInvocation

from greenery_assets.dbt.failures import contract_broken, killed, killed_by, left_out, surroundings
from greenery_assets.dbt.translator import test_meta
from greenery_assets.presentation import materialization_metadata, row_metadata, sample_metadata
from greenery_assets.privacy import SHAREABLE_REASON, Table, count, finding, known_texts, sample
from greenery_assets.warehouse import NOT_BUILT, Connection, Place, fault, open_for_reading

BuildEvent = (
    dg.Output[Any] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult | dg.AssetCheckEvaluation
)

# dbt's own bookkeeping, of no use to whoever reads a check.
BOOKKEEPING = {"invocation_id", "unique_id", "dagster_dbt/failed_row_count"}
# What macros report (log_built_relation.sql, contract.sql), with facts in JSON.
BUILT, CONTRACT = "greenery_built", "greenery_contract"
# A dbt that was killed is tried again so often, so many seconds later.
MOST_RETRIES = 2
SECONDS_TO_RETRY = 3


def asset_events(
    invocation: DbtCliInvocation, context: dg.AssetExecutionContext, warehouse: Place
) -> "Generator[BuildEvent, None, Seen]":
    """Each built model and evaluated test as it happens; failed tests last, when their rows can be read.

    Returns what it saw. Raises dagster.Failure if dbt failed for another reason than a failed check, or left out
    planned tables or checks without an error; dagster.RetryRequested if it was killed, up to twice.
    """
    manifest: Mapping[str, Any] | None = None
    built: dict[str, dict[str, Any]] = {}
    errors: list[str] = []
    broken: dict[str, str] = {}
    failed: list[dg.AssetCheckResult] = []
    tables, checks = set(context.selected_asset_keys), set(context.selected_asset_check_keys)
    planned = len(tables)
    for message in invocation.stream_raw_events():
        info, data = message.raw_event["info"], message.raw_event["data"]
        unique_id = data.get("node_info", {}).get("unique_id", "")
        reported, _, facts = info["msg"].partition("=")
        if reported == BUILT:
            built[unique_id] = _rows_in_short(facts)
        elif reported == CONTRACT:
            broken[unique_id] = _contract(unique_id, facts)
        if info["level"] == "error":
            errors.append(info["msg"].strip())
        if not message.is_result_event:
            continue
        broken |= {unique_id: broken.get(unique_id, "")} if data["status"] == "error" else {}
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
                checks.discard(_key(event))
                if event.passed:
                    yield _explained(event, context, {})
                else:
                    failed.append(event)
            else:
                if isinstance(event, dg.Output):
                    tables.discard(context.asset_key_for_output(event.output_name))
                yield _with_metadata(event, built.get(unique_id, {}))

    if failed and not _is_tried_again(invocation, context):
        yield from _with_rows(failed, context, manifest or {}, warehouse)
    seen = Seen(planned, tables, checks, errors, broken, failed)
    _raise_where_it_failed(invocation, context, warehouse, seen)
    return seen


@dataclass(frozen=True)
class Seen:
    """The result of an ended dbt.

    `planned` is the number of planned tables; `tables` were not built, `checks` not evaluated. `errors` are dbt's own
    words, `broken` the nodes with errors and the message about a broken contract, `failed` the checks that failed.
    """

    planned: int
    tables: Set[dg.AssetKey]
    checks: Set[dg.AssetCheckKey]
    errors: Sequence[str]
    broken: Mapping[str, str]
    failed: Sequence[dg.AssetCheckResult]


def _is_tried_again(invocation: DbtCliInvocation, context: dg.AssetExecutionContext) -> bool:
    return killed_by(invocation.process.returncode) is not None and context.retry_number < MOST_RETRIES


def _raise_where_it_failed(
    invocation: DbtCliInvocation, context: dg.AssetExecutionContext, warehouse: Place, seen: Seen
) -> None:
    code = invocation.process.returncode
    if number := killed_by(code):
        death = _failure(killed(number, seen.planned - len(seen.tables), seen.planned))
        if _is_tried_again(invocation, context):
            raise dg.RetryRequested(MOST_RETRIES, SECONDS_TO_RETRY) from death
        raise death
    # An ERROR explains dbt's exit code and what was left out downstream of it, and fails the run anyway.
    blocking = any(result.severity == dg.AssetCheckSeverity.ERROR for result in seen.failed)
    if seen.broken or (code != 0 and not blocking):
        written_to = (warehouse, invocation.target_path) if isinstance(warehouse, Path) else (invocation.target_path,)
        cause = surroundings(seen.errors, *written_to) or fault(warehouse) or _reason(seen)
        # What dbt quotes of the database's errors may be of a row, and all who open Dagster's pages see this.
        log = invocation.target_path / "dbt.log"
        raise dg.Failure(
            f"{cause or 'A check could not be evaluated.'} Look for the reason in dbt's own log, {log}.",
            metadata={SHAREABLE_REASON: cause} if cause else {},
        )
    missing = left_out({key.to_user_string() for key in seen.tables}, {key.name for key in seen.checks})
    if missing and not blocking:
        raise _failure(missing)


def _failure(said: str) -> dg.Failure:
    return dg.Failure(said, metadata={SHAREABLE_REASON: said})


def _rows_in_short(logged: str) -> dict[str, Any]:
    said = json.loads(logged)
    return materialization_metadata(said["rows"], Table(tuple(said["columns"]), tuple(map(tuple, said["preview"]))))


def _contract(unique_id: str, logged: str) -> str:
    file, *columns = json.loads(logged)
    written, described = (dict(column.split(" ", 1) for column in side) for side in columns)
    return contract_broken(unique_id.rpartition(".")[2], file.rpartition("://")[2], written, described)


def _with_metadata(event: BuildEvent, metadata: Mapping[str, Any]) -> BuildEvent:
    return event.with_metadata({**event.metadata, **metadata}) if isinstance(event, dg.Output) else event


def _reason(seen: Seen) -> str:
    """Why dbt failed without what it quotes from the tables; empty where its checks say it themselves."""
    models = [unique_id for unique_id in sorted(seen.broken) if not unique_id.startswith("test.")]
    others = [unique_id.split(".")[-1] for unique_id in models if not seen.broken[unique_id]]
    said = [seen.broken[unique_id] for unique_id in models if seen.broken[unique_id]]
    if seen.broken:
        return " ".join([*said, *([f"dbt could not build {', '.join(others)}."] if others else [])])
    built = seen.planned - len(seen.tables)
    when = f"after it had built {built} of {seen.planned} tables" if built else "before it built anything"
    return f"dbt failed {when}."


def _with_rows(
    failed: list[dg.AssetCheckResult],
    context: dg.AssetExecutionContext,
    manifest: Mapping[str, Any],
    warehouse: Place,
) -> Iterator[dg.AssetCheckResult]:
    texts = known_texts(manifest)
    with open_for_reading(warehouse) as connection:
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
            meta = test_meta(manifest, test["unique_id"])
            found = finding(connection, kept_in, meta["finding"], texts, checked)
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
    spec = context.assets_def.get_spec_for_check_key(_key(result))
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


def _key(result: dg.AssetCheckResult) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey.from_coercible(result.asset_key or ()), str(result.check_name))


def _failing_rows(result: dg.AssetCheckResult) -> int:
    reported = result.metadata.get("dagster_dbt/failed_row_count")
    return int(str(reported.value)) if reported else 0


def _rows_checked(connection: Connection, test: Mapping[str, Any], manifest: Mapping[str, Any]) -> int | None:
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
    except NOT_BUILT:
        return None
