"""Which days a run of dbt rebuilds beyond those that are affected, and when it rebuilds everything.

Plain functions over the warehouse and dbt's manifest; they import no Dagster. dbt itself finds the affected days
(dbt_project/macros/days.sql) and checks the rules that this needs (guards.sql).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from greenery_assets.warehouse import Connection, tables

ASKED_FOR = "it was asked for"
CHANGED = "the contract, the SQL of a model or a macro has changed since the models were built"
INCOMPLETE = "no run has built every model since the last full refresh began"
# Beyond so many events a full refresh goes by month, to fit in memory.
LARGE = 20_000_000
# So many fit into an argument of dbt, and more are rebuilt as soon in one go.
MOST_DAYS = 3_660

# The models that are rebuilt by day and read no source; those by user are built once, after the last month.
_BY_DAY = ("--select", "config.incremental_strategy:append", "--exclude", "dim_*", "tag:by_user")
_GATE = ("--select", "path:models/staging", "dim_*", "--indirect-selection", "buildable")


class DaysError(Exception):
    """A text that should name days names none; the message says what to write."""


def named_days(text: str) -> list[str]:
    """The days of '2026-11-01..2026-11-07', of a single day, or of several of these with commas between.

    Raises DaysError.
    """
    days: set[date] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = part.partition("..")
        try:
            start, end = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
        except ValueError:
            raise DaysError(f"{part!r} is no day; write 2026-11-01, or 2026-11-01..2026-11-07.") from None
        if end < start:
            raise DaysError(f"{part!r} ends before it begins; write the earlier day first.")
        if len(days) + (end - start).days >= MOST_DAYS:
            raise DaysError(
                f"{text!r} names {len(days) + (end - start).days + 1:,} days; name at most {MOST_DAYS:,}, or rebuild "
                "all of them with --full-refresh (full_refresh in the web interface)."
            )
        days |= {start + timedelta(days=number) for number in range((end - start).days + 1)}
    return sorted(day.isoformat() for day in days)


def definition(manifest: Mapping[str, Any]) -> str:
    """A hash of what the tables are made of: the contract, and the SQL of all models, snapshots and macros."""
    made_of = {
        "contract": [
            (source["name"], [(column["name"], column["data_type"]) for column in source["columns"].values()])
            for source in sorted(manifest["sources"].values(), key=lambda source: str(source["name"]))
        ],
        "models": sorted(
            (node["unique_id"], node["checksum"]["checksum"], node["config"]["materialized"])
            for node in manifest["nodes"].values()
            if node["resource_type"] in ("model", "snapshot")
        ),
        "macros": sorted(
            (macro["name"], macro["macro_sql"])
            for macro in manifest["macros"].values()
            if macro["package_name"] == "greenery" and not macro["name"].startswith("test_")
        ),
    }
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def is_loaded(connection: Connection) -> bool:
    """Whether the tables are there in which the loader notes what it loaded (warehouse/loads.py)."""
    return {"files", "complete_runs", "dbt_runs"} <= tables(connection, "landing")


def is_first_build(connection: Connection, manifest: Mapping[str, Any]) -> bool:
    """Whether no table that is rebuilt by day exists yet."""
    built = {
        (node["schema"], node["alias"])
        for node in manifest["nodes"].values()
        if node["config"].get("materialized") == "incremental"
    }
    there = {(schema, name) for schema in {schema for schema, _ in built} for name in tables(connection, schema)}
    return not there & built


def full_refresh_reason(connection: Connection, manifest: Mapping[str, Any]) -> str | None:
    """Why a full refresh is due, as part of a sentence; None if it is not, or if nothing was built before."""
    if is_first_build(connection, manifest):
        return None
    noted = tables(connection, "landing")
    if guards := broken_guards(connection) if "broken_guards" in noted else None:
        return guards
    complete = (
        connection.execute("select definition from landing.complete_runs where what = 'built'").fetchall()
        if "complete_runs" in noted
        else []
    )
    if not complete:
        return INCOMPLETE
    return None if complete == [(definition(manifest),)] else CHANGED


def broken_guards(connection: Connection) -> str | None:
    """Why the last run could not rebuild by day, as part of a sentence; None if it could."""
    found = connection.execute("select cases, guard from landing.broken_guards order by guard").fetchall()
    return " and ".join(f"{cases:,} {guard}" for cases, guard in found) or None


def months(connection: Connection, most: int = LARGE) -> list[list[str]]:
    """The days of events and orders by month, if there are more than `most` events; else an empty list."""
    rows = connection.execute(
        "select cast(day as varchar), sum(case when source_table = 'events' then row_count else 0 end) "
        "from landing.days where source_table in ('events', 'orders') and day is not null group by day order by day"
    ).fetchall()
    if sum(count for _, count in rows) <= most:
        return []
    return [[day for day, _ in month] for _, month in groupby(rows, key=lambda row: str(row[0])[:7])]


def variables(days: Iterable[str], *, only: bool = False) -> list[str]:
    """Arguments that make dbt rebuild these days: besides the affected days, or `only` these."""
    return ["--vars", json.dumps({"days": list(days), "only_days": only})]


def by_month(months: Sequence[Sequence[str]]) -> tuple[list[list[str]], list[str]]:
    """A full refresh in parts: the arguments of the runs of dbt before the last one, in order, and of the last one.

    The first run builds the gate and its checks. The next runs build the tables by day, one month each. The last run
    builds everything else, and the last month of the tables by day.
    """
    gate = ["build", "--partial-parse", *_GATE, "--exclude-resource-type", "unit_test", "--full-refresh"]
    run = ["run", "--partial-parse", *_BY_DAY]
    parts = [
        [*run, *variables(days, only=True), *(["--full-refresh"] if days is months[0] else [])] for days in months[:-1]
    ]
    return [gate, *parts], variables(months[-1], only=True)
