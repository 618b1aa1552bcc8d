"""What a day costs after a short and a long history, and what a full refresh costs, of the same shop."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from bench.history import History, Shop
from bench.results import Aim, ratios
from bench.warehouse import Bench, Built
from greenery_assets.refresh import by_month, months

# Every source column read once and every table written once, without any work in between.
_FLOOR = """
import duckdb, sys
warehouse, source, out, limit = sys.argv[1:]
with duckdb.connect(out, config={"memory_limit": limit, "threads": 2}) as connection:
    connection.execute(f"attach '{warehouse}' as built (read_only)")
    for table in ("users", "addresses", "products", "promos", "orders", "order_items", "events"):
        files = f"{source}/{table}/*.parquet" if table not in ("products", "promos") else f"{source}/{table}.parquet"
        columns = connection.execute(f"describe from '{files}'").fetchall()
        parts = ", ".join(f"max({name})" for name, *_ in columns)
        connection.execute(f"select {parts} from '{files}'").fetchall()
    for schema, table in connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name = 'built' "
        "and schema_name in ('core', 'marketing', 'product')"
    ).fetchall():
        connection.execute(f"create or replace table written as from built.{schema}.{table}")
"""

LARGE = 100_000_000
_WITHOUT_TESTS = ("--exclude-resource-type", "test")


@dataclass(frozen=True)
class Day:
    """One new day after a history of `days`: seconds of loading, and what dbt did."""

    days: int
    load: float
    built: Built


def prepare(folder: Path, events_a_day: int, days: int, memory_limit: str) -> tuple[History, Bench]:
    """A shop's source folder after so many days, and a warehouse for it, not built yet."""
    source = folder / "source"
    history = History(Shop.of_events(events_a_day), source, memory_limit)
    history.write_past(days)
    return history, Bench(folder / "greenery.duckdb", source, GREENERY_MEMORY_LIMIT=memory_limit)


def next_day(history: History, bench: Bench, number: int, *, checked: bool) -> Day:
    """The day with this number, when all before it are built; `checked` as the daily job checks what is new."""
    history.write_day(number)
    bench.environment["GREENERY_CHECKS"] = "new"
    return Day(number, bench.load(), bench.build("build", *([] if checked else _WITHOUT_TESTS)))


def all_checks(bench: Bench) -> Built:
    """Every check over all of the data, as the weekly run does it."""
    bench.environment["GREENERY_CHECKS"] = "all"
    return bench.build("build", "--select", "resource_type:test")


def full_refresh(bench: Bench) -> Built:
    """All models from all of the history, by month where the daily job does it so."""
    with duckdb.connect(str(bench.warehouse), read_only=True) as connection:
        parts = months(connection)
    if not parts:
        return bench.build("build", *_WITHOUT_TESTS, "--full-refresh")
    before, last = by_month(parts)
    builds = [bench.build(*arguments, *_WITHOUT_TESTS) for arguments in [*before, ["build", *last]]]
    seconds: dict[str, float] = defaultdict(float)
    for built in builds:
        for name, spent in built.seconds.items():
            seconds[name] += spent
    return Built(
        wall=sum(built.wall for built in builds),
        cpu=sum(built.cpu for built in builds),
        peak_gb=max(built.peak_gb for built in builds),
        seconds=seconds,
        failed=(),
    )


def floor(bench: Bench, folder: Path, memory_limit: str) -> tuple[float, float]:
    """Wall and cpu seconds of reading every source column once and writing every mart once.

    The marts are written from themselves, so that reading them is in it too.
    """
    out = folder / "floor.duckdb"
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", _FLOOR, str(bench.warehouse), str(bench.source), str(out), memory_limit],
        check=True,
        env=os.environ,
        # DuckDB draws its progress there.
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    out.unlink()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def facts(built: Built) -> dict[str, Any]:
    """What is kept of a build."""
    return {
        "wall_s": built.wall,
        "cpu_s": built.cpu,
        "peak_gb": built.peak_gb,
        "models_s": built.models,
        "checks_s": built.tests,
        "slowest_s": dict(sorted(built.seconds.items(), key=lambda item: -item[1])[:12]),
    }


def aims(found: Mapping[int, Mapping[str, Any]], events_a_day: int) -> list[Aim]:
    """By days of history; the bounds are for the longest, and for one day more after it against after the shortest.

    They were set for a hundred million events: of fewer, the numbers are told without them. Seconds are dbt's own,
    summed up. `found` has, for each length, lists of `full`, `days`, `checked_days` and `all_checks` (as `facts` gives
    them) and `floor`.
    """
    short, long = min(found), max(found)
    is_large = events_a_day * long >= LARGE
    told: list[Aim] = []
    for days, one in found.items():
        full, more = ([build["models_s"] for build in one[kind]] for kind in ("full", "days"))
        over_floor = ratios(*([build["cpu_s"] for build in one[kind]] for kind in ("full", "floor")))
        times = [statistics.median(full) / seconds for seconds in more]
        checks = [day["checks_s"] / day["models_s"] for day in one["checked_days"]]
        all_checks = [build["checks_s"] / statistics.median(full) for build in one["all_checks"]]
        is_long = is_large and days == long
        bounds = {"peak": 4.5, "floor": 2.0, "times": 50.0, "checks": 1.0, "all_checks": 0.15} if is_long else {}
        told += [
            Aim(f"{days} days: full refresh, models", full, unit="s"),
            Aim(f"{days} days: full refresh, peak", [b["peak_gb"] for b in one["full"]], bounds.get("peak"), unit="GB"),
            Aim(f"{days} days: full refresh / floor, cpu", over_floor, bounds.get("floor")),
            Aim(f"{days} days: one day more, models", more, unit="s"),
            Aim(f"{days} days: one day more, wall of dbt", [day["wall_s"] for day in one["days"]], unit="s"),
            Aim(f"{days} days: full refresh / one day more, models", times, at_least=bounds.get("times")),
            Aim(f"{days} days: one day's checks / its models", checks, bounds.get("checks")),
            Aim(f"{days} days: all checks / full refresh", all_checks, bounds.get("all_checks")),
        ]
    after = [[day["models_s"] for day in found[days]["days"]] for days in (long, short)]
    growth = f"one day more after {long} days / after {short}, models"
    return [*told, Aim(growth, ratios(*after), at_most=1.3 if is_large else None)]
