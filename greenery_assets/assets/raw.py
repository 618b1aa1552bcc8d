"""The seven source tables as assets, and the assumptions about how they arrived.

Thin glue: reading a source folder is landing's business, judging is checks'.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from greenery_assets import landing
from greenery_assets.assets.marts import MANIFEST, TEXTS
from greenery_assets.checks import (
    Assumption,
    Verdict,
    columns_match,
    day_to_judge,
    few_rows_rejected,
    files_are_there,
    is_fresh,
    rows_accepted,
    rows_were_kept,
    volume_is_usual,
)
from greenery_assets.dbt.groups import groups
from greenery_assets.dbt.project import SOURCES_YAML, WAREHOUSE_POOL
from greenery_assets.failures import explained, failure
from greenery_assets.presentation import check_result, check_spec, materialization_metadata
from greenery_assets.privacy import (
    count,
    files_below,
    preview,
    sample,
    shown_file,
    without_file_names,
)
from greenery_assets.settings import Settings, load_settings
from greenery_assets.warehouse import (
    Connection,
    Source,
    WarehouseError,
    begin_again,
    loads,
    open_for_reading,
    settle_source,
)

GROUP = groups()["raw"]
TIMED_TABLES = ("events", "orders")

ROWS_ACCEPTED = Assumption(
    "A19",
    "Every row of the source table could be read: none was set aside.",
    "WARN",
    "Rows set aside are missing from every figure until they are fixed.",
    "Look at quality.rejected_rows: file, line, column and reason. Fix the lines at the source and load again.",
    use="Figures can be used.",
)
ON_PURPOSE = (
    "If it is meant to be so, say so on one run: make run ARGS=--accept-row-loss (with a new source "
    'ARGS="--new-source --accept-row-loss"), or accept_row_loss: true in the configuration of raw_tables in the web '
    "interface; later loads are compared with that one."
)
ROWS_KEPT = Assumption(
    "A24",
    "The source table kept its rows: the load did not empty it, nor take more than the set share of its rows.",
    "ERROR",
    "Every figure would be published without the rows that are missing, as if the shop had lost its customers.",
    "Nothing was loaded, and all tables are as they were. Look whether the table's files are complete, export them "
    f"again, and run again. {ON_PURPOSE} The share allowed is GREENERY_MAX_ROW_LOSS.",
    affects="every figure",
)
FEW_REJECTED = Assumption(
    "A25",
    "Of the source table's new and changed rows no more than the set share was set aside as unreadable.",
    "ERROR",
    "A file in another format than agreed would be missing from every figure.",
    "Nothing was loaded, and all tables are as they were. Look at quality.rejected_rows where load_was_refused: file, "
    f"line, column and reason. Export the file again as agreed, and run again. {ON_PURPOSE} The share allowed is "
    "GREENERY_MAX_REJECTED_SHARE.",
    affects="every figure",
)
COLUMNS_MATCH = Assumption(
    "A19",
    "The source table has the columns of the contract and no others.",
    "WARN",
    "A new column means that the export changed; what it holds is not in the warehouse.",
    "Its name is in quality.extra_columns. Ask whoever exports the table what it means; add it to "
    "models/sources.yml if it is wanted.",
    affects="no figure",
)
FILES_THERE = Assumption(
    "A19",
    "Every file that was loaded before is still in the source folder.",
    "WARN",
    "The rows of a file that has gone are no longer in any figure.",
    "Put the file back if it was moved or deleted by mistake; landing.files has its name in full. If it was meant to "
    "go, this passes once everything was built without it.",
    affects="every figure of the days of that file",
)
FRESH = Assumption(
    "A20",
    "The source is fresh: its newest row is younger than the set age.",
    "WARN",
    "Data that has not arrived is missing from every figure of the last days.",
    "Look whether the export ran and the files arrived. The age allowed is GREENERY_MAX_AGE_HOURS.",
    affects="every figure of the last days",
)
USUAL_VOLUME = Assumption(
    "A21",
    "The last whole day's rows lie within the band of the days before.",
    "WARN",
    "Half a day's data looks like half a day's business.",
    "Look whether the files of that day are complete, and whether one is there twice. The band's width is "
    "GREENERY_VOLUME_BAND.",
    affects="every figure of that day",
    use="Do not use that day.",
)


def _raw_spec(source: Mapping[str, Any]) -> dg.AssetSpec:
    columns = [
        dg.TableColumn(column["name"], column["data_type"], column["description"])
        for column in source["columns"].values()
    ]
    return dg.AssetSpec(
        ["raw", source["name"]],
        description=source["description"],
        group_name=GROUP.name,
        owners=[GROUP.owner],
        kinds={"python", load_settings().engine},
        tags={"layer": "raw"},
        metadata={
            "dagster/column_schema": dg.TableSchema(columns),
            "dagster/table_name": f"raw.{source['name']}",
            **GROUP.metadata,
        },
    )


RAW_SPECS = {source["name"]: _raw_spec(source) for source in MANIFEST["sources"].values()}
RAW_CHECKS = [
    check_spec(name, spec.key, assumption, GROUP.owner)
    for table, spec in RAW_SPECS.items()
    for name, assumption in {
        f"{table}_kept_their_rows": ROWS_KEPT,
        f"{table}_rows_were_mostly_accepted": FEW_REJECTED,
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


# Those that are judged before the load holds, and say why where it was refused.
OF_THE_LOAD = (ROWS_KEPT.id, FEW_REJECTED.id)


class LoadConfig(dg.Config):
    """What a person confirms for one load: another source, or the loss or rejection of rows."""

    new_source: bool = False
    accept_row_loss: bool = False


@dg.multi_asset(
    name="raw_tables",
    specs=list(RAW_SPECS.values()),
    check_specs=RAW_CHECKS,
    can_subset=True,
    pool=WAREHOUSE_POOL,
)
def raw_tables(
    context: dg.AssetExecutionContext, config: LoadConfig
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Load the selected source tables, all or none, and judge how they arrived.

    Without a configured source they come from sample data, made on the first run of a day. A warehouse that another
    source filled is left alone, unless the configuration says `new_source`. A load that takes most of a table's rows
    away, or whose rows were rejected (A24, A25), leaves all tables as they were, unless it says `accept_row_loss`.
    """
    settings = load_settings()
    selected = {name for name, spec in RAW_SPECS.items() if spec.key in context.selected_asset_keys}
    checks = [spec for spec in RAW_CHECKS if spec.key in context.selected_asset_check_keys]
    refused = None
    with explained(settings.warehouse):
        try:
            if selected:
                try:
                    yield from _load(settings, selected, config, reread=_is_full_refresh(context))
                except landing.LoadRefusedError as error:
                    refused = error
            if refused:
                # The others would judge the load before.
                checks = [spec for spec in checks if spec.metadata["assumption"] in OF_THE_LOAD]
            results = []
            if checks:
                with open_for_reading(settings.warehouse) as connection:
                    results = [_evaluate(spec, connection, settings) for spec in checks]
            yield from results
        except (landing.LandingError, WarehouseError) as error:
            raise failure(str(error), allow_retries=False) from None
    # Where a check that is an ERROR fails Dagster ends the step itself.
    if refused and all(result.passed for result in results):
        raise failure(str(refused), allow_retries=False)


def _is_full_refresh(context: dg.AssetExecutionContext) -> bool:
    """Whether the run was asked to rebuild all models: then every file is read again too."""
    run_config: Any = context.run.run_config
    return bool(run_config.get("ops", {}).get("dbt_models", {}).get("config", {}).get("full_refresh"))


def _load(
    settings: Settings, tables: set[str], config: LoadConfig, *, reread: bool
) -> Iterator[dg.MaterializeResult[Any]]:
    contracts = landing.read_contract(SOURCES_YAML)
    source = Source.of(settings.source_dir, settings.sample_dir)
    names = files_below(source.folder)
    try:
        if isinstance(settings.warehouse, Path):
            begin_again(settings.warehouse, settings.warehouse_path)
        # Before anything is read, or made.
        set_aside = settle_source(
            settings.warehouse,
            source,
            settings.sample_dir,
            is_new_source=config.new_source,
            is_whole=tables >= contracts.keys(),
        )
        source_dir = settings.source_dir or _sample(settings.sample_dir)
        loaded = landing.load(
            settings.warehouse,
            source_dir,
            {name: contracts[name] for name in contracts if name in tables},
            set_aside=set_aside,
            refuses=lambda arrival: not all(verdict.passed for verdict in _of_load(arrival, settings).values()),
            is_accepted=config.accept_row_loss,
            reread=reread,
        )
    except landing.LoadRefusedError:
        raise
    except (landing.LandingError, WarehouseError) as error:
        there = sorted({*names, *files_below(source.folder)})
        raise failure(without_file_names(str(error), there, RAW_SPECS), allow_retries=False) from None
    with open_for_reading(settings.warehouse) as connection:
        previews = {name: preview(connection, f"raw.{name}", TEXTS) for name in loaded}
        days = {
            name: loads.affected_days(connection, name) if table.read_files or table.removed_files else []
            for name, table in loaded.items()
            if name in TIMED_TABLES
        }
    now = datetime.now(UTC)
    for name, table in loaded.items():
        yield dg.MaterializeResult(
            asset_key=RAW_SPECS[name].key,
            metadata={
                **materialization_metadata(table.rows, previews[name]),
                "source": source.name,
                "rejected_rows": table.rejected_rows,
                "files": len(table.files),
                "files_read": len(table.read_files),
                "first_files_read": ", ".join(shown_file(file, RAW_SPECS) for file in table.read_files[:5]),
                "files_gone": len(table.removed_files),
                "bytes": table.bytes,
                "source_folder": dg.MetadataValue.path(str(source_dir)),
                "read_in_place": table.read_in_place,
                **(_affected(days[name]) if name in days else {}),
                **(_freshness(table.newest.replace(tzinfo=UTC), now) if table.newest else {}),
            },
        )


def _of_load(arrival: loads.Arrival, settings: Settings) -> Mapping[str, Verdict]:
    """How the checks of a load judge it, by assumption."""
    is_accepted = arrival.is_accepted
    kept = rows_were_kept(arrival.rows_before, arrival.rows, settings.max_row_loss, is_accepted=is_accepted)
    few = few_rows_rejected(
        arrival.rows_read, arrival.rows_rejected, settings.max_rejected_share, is_accepted=is_accepted
    )
    return {ROWS_KEPT.id: kept, FEW_REJECTED.id: few}


def _sample(folder: Path) -> Path:
    # Who has a source need not wait for what makes one.
    from greenery_assets.sample import SampleError, ensure_default_sample  # noqa: PLC0415

    try:
        ensure_default_sample(folder, datetime.now(UTC).date())
    except SampleError as error:
        raise failure(str(error), allow_retries=False) from None
    except OSError as error:
        raise failure(
            f"GREENERY_SOURCE_DIR is not set, and sample data cannot be written to {folder} ({error.strerror}). Set it "
            "to the folder that holds the source tables, or let this user write there.",
            allow_retries=False,
        ) from None
    return folder


def _affected(days: Sequence[date]) -> dict[str, Any]:
    """How many days a load affected, which Dagster draws over time, and the first and the last of them."""
    ends = {"first_affected_day": str(days[0]), "last_affected_day": str(days[-1])} if days else {}
    return {"affected_days": len(days), **ends}


def _freshness(newest: datetime, now: datetime) -> dict[str, Any]:
    # Dagster draws numbers over time, and no moments.
    return {
        "newest": dg.MetadataValue.timestamp(newest),
        "hours_behind": dg.MetadataValue.float((now - newest) / timedelta(hours=1)),
    }


def _evaluate(spec: dg.AssetCheckSpec, connection: Connection, settings: Settings) -> dg.AssetCheckResult:
    table = spec.asset_key.path[-1]
    if spec.metadata["assumption"] in OF_THE_LOAD:
        return _evaluate_load(spec, table, connection, settings)
    if spec.name.endswith("_rows_were_all_accepted"):
        # A warehouse that an older version loaded has no refused loads, nor that column.
        is_recorded = loads.last_arrival(connection, table) is not None
        mine = f"source_table = '{table}'{' and not load_was_refused' if is_recorded else ''}"
        rejected = count(connection, loads.REJECTED_ROWS, mine)
        verdict = rows_accepted(table, count(connection, f"raw.{table}"), rejected)
        # The loader words its reasons itself, without the values.
        rows = sample(connection, loads.REJECTED_ROWS, TEXTS, mine, own=["reason"])
        return check_result(spec, verdict, rows, loads.REJECTED_ROWS)
    if spec.name.endswith("_columns_match_the_contract"):
        known = MANIFEST["sources"][f"source.greenery.raw.{table}"]["columns"]
        extra = loads.extra_columns(connection, table, known)
        shown = [_in_words(name, *at) for name, at in extra.items()]
        return check_result(spec, columns_match(table, len(known), shown))
    if spec.name.endswith("_files_are_all_there"):
        folder = settings.source_dir or settings.sample_dir
        files, gone = loads.files_in_and_gone(connection, table, folder)
        return check_result(spec, files_are_there(files, [shown_file(name, RAW_SPECS) for name in gone]), about=table)
    return check_result(spec, _judge_time(spec.name, table, connection, settings))


def _in_words(column: str, file: str, place: int) -> str:
    """A column by its name where some table has such a column, else by its place: its header may be a person's name."""
    path = Path(file)
    below = f"{path.parent.name}/{path.name}" if path.parent.name in RAW_SPECS else path.name
    where = f"column {place:,} of {shown_file(below, RAW_SPECS)}"
    return f"{column} ({where})" if column in TEXTS["column_name"] else where


def _evaluate_load(
    spec: dg.AssetCheckSpec, table: str, connection: Connection, settings: Settings
) -> dg.AssetCheckResult:
    arrival = loads.last_arrival(connection, table)
    if arrival is None:
        return check_result(spec, Verdict(False, "no load of the table is on record: load it.", 1, 1), about=table)
    verdict = _of_load(arrival, settings)[spec.metadata["assumption"]]
    if spec.metadata["assumption"] == "A24":
        return check_result(spec, verdict, about=table)
    refused = "load_was_refused" if arrival.is_refused else "not load_was_refused"
    mine = f"source_table = '{table}' and {refused}"
    shown = sample(connection, loads.REJECTED_ROWS, TEXTS, mine, own=["reason"])
    return check_result(spec, verdict, shown, loads.REJECTED_ROWS, about=table)


def _judge_time(name: str, table: str, connection: Connection, settings: Settings) -> Verdict:
    now = datetime.now(UTC).replace(tzinfo=None)
    if name.endswith("_are_fresh"):
        newest = loads.newest_moment(connection, table)
        return is_fresh(table, newest, now, settings.max_age_hours)
    event_days, days = (loads.rows_by_day(connection, timed) for timed in ("events", table))
    newest = loads.newest_moment(connection, "events")
    fresh = is_fresh(table, newest, now, settings.max_age_hours).passed
    return volume_is_usual(table, days, day_to_judge(event_days, now.date(), fresh), settings.volume_band)
