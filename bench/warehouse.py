"""A warehouse to measure in: loaded and built as the daily job does it, without Dagster around it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from greenery_assets import landing
from greenery_assets.dbt.project import DBT_PROJECT_DIR, SOURCES_YAML
from greenery_assets.settings import working_file
from greenery_assets.warehouse import Place

MARTS = ("core", "marketing", "product")
OF_RUNS = ("rejected_at", "out_of_stock_since", "out_of_stock_until")


@dataclass(frozen=True)
class Built:
    """One `dbt build`: wall and cpu seconds, peak memory in GB, and dbt's own seconds of each node."""

    wall: float
    cpu: float
    peak_gb: float
    seconds: Mapping[str, float]
    failed: tuple[str, ...]
    skipped: tuple[str, ...] = ()


class Bench:
    """A warehouse of its own, or with `place` a server's, beside a source folder; dbt writes beside it."""

    def __init__(self, warehouse: Path, source: Path, place: Place | None = None, **settings: str) -> None:
        self.warehouse, self.source = working_file(warehouse), source
        self.place = place or self.warehouse
        self.target = warehouse.parent / f"{warehouse.stem}_target"
        self.environment = {**os.environ, "GREENERY_WAREHOUSE_PATH": str(warehouse), **settings}

    def load(self) -> float:
        """Bring the raw tables up to date; seconds."""
        start = time.perf_counter()
        landing.load(self.place, self.source, landing.read_contract(SOURCES_YAML))
        return time.perf_counter() - start

    def build(self, command: str = "build", *arguments: str) -> Built:
        """Run dbt in a process of its own. Raises RuntimeError with its output when it breaks."""
        dbt = [str(Path(sys.executable).parent / "dbt"), command, "--profiles-dir", ".", "--quiet"]
        if command == "build":
            dbt += ["--exclude-resource-type", "unit_test"]
        start = time.perf_counter()
        process = subprocess.Popen(
            [*dbt, "--target-path", str(self.target), "--log-path", str(self.target), *arguments],
            cwd=DBT_PROJECT_DIR,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
        results = json.loads((self.target / "run_results.json").read_bytes())["results"]
        broken = [result["unique_id"] for result in results if result["status"] == "error"]
        if process.returncode not in (0, 1) or broken or not results:
            raise RuntimeError(f"{self.warehouse}: {broken}\n{said}")
        return Built(
            wall=wall,
            cpu=used.ru_utime + used.ru_stime,
            peak_gb=used.ru_maxrss / 1024**2,
            seconds={result["unique_id"]: float(result["execution_time"]) for result in results},
            failed=tuple(result["unique_id"] for result in results if result["status"] == "fail"),
            skipped=tuple(result["unique_id"] for result in results if result["status"] == "skipped"),
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the file."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def differences(one: Path, other: Path, schemas: Sequence[str] = MARTS) -> dict[str, int]:
    """Rows of each table that only one of two warehouses holds, duplicates counted; empty where all are equal.

    Left out are times of runs: when a row was rejected or a stock-out was seen, and how long runs took.
    """
    found: dict[str, int] = {}
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        tables = connection.execute(
            "select distinct schema_name || '.' || table_name from duckdb_tables() "
            "where database_name in ('one', 'other') and list_contains(?, schema_name) "
            "and table_name <> 'durations'",
            [list(schemas)],
        ).fetchall()
        if not tables:
            raise RuntimeError(f"Neither {one} nor {other} has a table of {', '.join(schemas)}.")
        for (name,) in sorted(tables):
            one_rows, other_rows = (
                f"select columns(lambda name: name not in {OF_RUNS}) from {side}.{name}" for side in ("one", "other")
            )
            row = connection.execute(
                f"select (select count(*) from ({one_rows} except all {other_rows})) "
                f"+ (select count(*) from ({other_rows} except all {one_rows}))"
            ).fetchone()
            if row and row[0]:
                found[name] = row[0]
    return found
