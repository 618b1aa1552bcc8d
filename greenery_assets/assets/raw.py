"""The seven source tables as assets, and the assumptions about how they arrived.

Thin glue: reading a source folder is landing's business, judging is checks'.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from duckdb import DuckDBPyConnection

from greenery_assets import landing
from greenery_assets.assets.dbt import MANIFEST
from greenery_assets.assets.presentation import check_result, check_spec, group_metadata, materialization_metadata
from greenery_assets.checks import (
    Assumption,
    Verdict,
    columns_match,
    day_to_judge,
    files_are_there,
    is_fresh,
    rows_accepted,
    volume_is_usual,
)
from greenery_assets.project import SOURCES_YAML, WAREHOUSE_POOL
from greenery_assets.quality import SHAREABLE_REASON, count, preview, read_warehouse, sample
from greenery_assets.settings import Settings, load_settings

OWNER = "data-platform@greenery.example"
TIMED_TABLES = ("events", "orders")

ROWS_ACCEPTED = Assumption(
    "A19",
    "Every row of the source table could be read: none was set aside.",
    "WARN",
    "Rows set aside are missing from every figure until they are mended.",
    "Look at quality.rejected_rows: file, line, column and reason. Mend the lines at the source and load again.",
)
COLUMNS_MATCH = Assumption(
    "A19",
    "The source table has the columns of the contract and no others.",
    "WARN",
    "A new column means that the export changed; what it holds is not in the warehouse.",
    "Ask whoever exports the table what the column means; add it to models/staging/sources.yml if it is wanted.",
)
FILES_THERE = Assumption(
    "A19",
    "Every file that was loaded before is still in the source folder.",
    "WARN",
    "The rows of a file that has gone are no longer in any figure.",
    "Put the file back if it was moved or deleted by mistake. If it was meant to go, this passes once everything was "
    "built without it.",
)
FRESH = Assumption(
    "A20",
    "The source is fresh: its newest row is younger than the set age.",
    "WARN",
    "Every figure of the last days is missing what has not arrived.",
    "Look whether the export ran and the files arrived. The age allowed is GREENERY_MAX_AGE_HOURS.",
)
USUAL_VOLUME = Assumption(
    "A21",
    "The last whole day's rows lie within the band of the days before.",
    "WARN",
    "Half a day's data looks like half a day's business.",
    "Look whether that day's files are complete and there once. The band's width is GREENERY_VOLUME_BAND.",
)


def _raw_spec(source: Mapping[str, Any]) -> dg.AssetSpec:
    columns = [
        dg.TableColumn(column["name"], column["data_type"], column["description"])
        for column in source["columns"].values()
    ]
    return dg.AssetSpec(
        ["raw", source["name"]],
        description=source["description"],
        group_name="raw",
        owners=[OWNER],
        kinds={"python", "duckdb"},
        tags={"layer": "raw"},
        metadata={
            "dagster/column_schema": dg.TableSchema(columns),
            "dagster/table_name": f"raw.{source['name']}",
            **group_metadata("raw"),
        },
    )


RAW_SPECS = {source["name"]: _raw_spec(source) for source in MANIFEST["sources"].values()}
RAW_CHECKS = [
    check_spec(name, spec.key, assumption, OWNER)
    for table, spec in RAW_SPECS.items()
    for name, assumption in {
        f"{table}_rows_were_all_accepted": ROWS_ACCEPTED,
        f"{table}_columns_match_the_contract": COLUMNS_MATCH,
        f"{table}_files_are_all_there": FILES_THERE,
        **(
            {f"{table}_are_fresh": FRESH, f"{table}_of_the_last_day_are_as_usual": USUAL_VOLUME}
            if table in TIMED_TABLES
            else {}
        ),
    }.items()
]


@dg.multi_asset(
    name="raw_tables",
    specs=list(RAW_SPECS.values()),
    check_specs=RAW_CHECKS,
    can_subset=True,
    pool=WAREHOUSE_POOL,
)
def raw_tables(
    context: dg.AssetExecutionContext,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Load the selected source tables, all or none, and judge how they arrived.

    Without a configured source they come from sample data, made on the first run of a day.
    """
    settings = load_settings()
    selected = {name for name, spec in RAW_SPECS.items() if spec.key in context.selected_asset_keys}
    checks = [spec for spec in RAW_CHECKS if spec.key in context.selected_asset_check_keys]
    try:
        if selected:
            yield from _load(settings, selected)
        if checks:
            with read_warehouse(settings.warehouse_path) as connection:
                for spec in checks:
                    yield _evaluate(spec, connection, settings)
    except landing.LandingError as error:
        raise _not_retried(error) from None


def _load(settings: Settings, tables: set[str]) -> Iterator[dg.MaterializeResult[Any]]:
    contracts = landing.read_contract(SOURCES_YAML)
    source_dir = settings.source_dir or _sample(settings.sample_dir)
    loaded = landing.load(
        settings.warehouse_path,
        source_dir,
        {name: contracts[name] for name in contracts if name in tables},
    )
    with read_warehouse(settings.warehouse_path) as connection:
        previews = {name: preview(connection, f"raw.{name}") for name in loaded}
    now = datetime.now(UTC)
    for name, table in loaded.items():
        yield dg.MaterializeResult(
            asset_key=RAW_SPECS[name].key,
            metadata={
                **materialization_metadata(table.rows, previews[name]),
                "rejected_rows": table.rejected_rows,
                "files": len(table.files),
                "files_read": len(table.read_files),
                "first_files_read": ", ".join(table.read_files[:5]),
                "files_gone": len(table.removed_files),
                "bytes": table.bytes,
                "source_folder": dg.MetadataValue.path(str(source_dir)),
                "read_in_place": table.read_in_place,
                **(_freshness(table.newest.replace(tzinfo=UTC), now) if table.newest else {}),
            },
        )


def _sample(folder: Path) -> Path:
    # Who has a source need not wait for what makes one.
    from greenery_assets.sample import SampleError, ensure_default_sample  # noqa: PLC0415

    try:
        ensure_default_sample(folder, datetime.now(UTC).date())
    except SampleError as error:
        raise _not_retried(error) from None
    return folder


def _not_retried(error: Exception) -> dg.Failure:
    return dg.Failure(str(error), metadata={SHAREABLE_REASON: str(error)}, allow_retries=False)


def _freshness(newest: datetime, now: datetime) -> dict[str, Any]:
    # Dagster draws numbers over time, and no moments.
    return {
        "newest": dg.MetadataValue.timestamp(newest),
        "hours_behind": dg.MetadataValue.float((now - newest) / timedelta(hours=1)),
    }


def _evaluate(spec: dg.AssetCheckSpec, connection: DuckDBPyConnection, settings: Settings) -> dg.AssetCheckResult:
    table = spec.asset_key.path[-1]
    if spec.name.endswith("_rows_were_all_accepted"):
        mine = f"source_table = '{table}'"
        rejected = count(connection, landing.REJECTED_ROWS, mine)
        verdict = rows_accepted(count(connection, f"raw.{table}"), rejected)
        return check_result(spec, verdict, sample(connection, landing.REJECTED_ROWS, mine), landing.REJECTED_ROWS)
    if spec.name.endswith("_columns_match_the_contract"):
        extra = connection.execute(
            f"select column_name from {landing.EXTRA_COLUMNS} where source_table = ? order by 1", [table]
        ).fetchall()
        known = len(MANIFEST["sources"][f"source.greenery.raw.{table}"]["columns"])
        return check_result(spec, columns_match(known, [name for (name,) in extra]))
    if spec.name.endswith("_files_are_all_there"):
        folder = settings.source_dir or settings.sample_dir
        return check_result(spec, files_are_there(*landing.files_in_and_gone(connection, table, folder)))
    return check_result(spec, _judge_time(spec.name, table, connection, settings))


def _judge_time(name: str, table: str, connection: DuckDBPyConnection, settings: Settings) -> Verdict:
    now = datetime.now(UTC).replace(tzinfo=None)
    if name.endswith("_are_fresh"):
        newest = landing.newest_moment(connection, table)
        return is_fresh(newest, now, settings.max_age_hours)
    event_days, days = (landing.rows_by_day(connection, timed) for timed in ("events", table))
    newest = landing.newest_moment(connection, "events")
    fresh = is_fresh(newest, now, settings.max_age_hours).passed
    return volume_is_usual(days, day_to_judge(event_days, now.date(), fresh), settings.volume_band)
