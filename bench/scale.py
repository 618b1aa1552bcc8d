"""What a day costs after a short and a long history, and what a full refresh costs, of the same shop."""

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.history import History, Shop
from bench.warehouse import Bench, Built

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


def next_days(history: History, bench: Bench, days: int, count: int, *, with_checks: bool) -> list[Day]:
    """So many further days, one after the other."""
    found = []
    for number in range(days, days + count):
        history.write_day(number)
        seconds = bench.load()
        arguments = [] if with_checks else ["--exclude-resource-type", "test"]
        found.append(Day(number, seconds, bench.build("build", *arguments)))
    return found


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
