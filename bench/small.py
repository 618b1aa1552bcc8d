"""The small end: the daily job on a few thousand rows against a plain `dbt build` of the same project."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from bench.warehouse import Bench
from greenery_assets.settings import PROJECT_ROOT


def pairs(folder: Path, source: Path, count: int) -> list[dict[str, tuple[float, float]]]:
    """So many times, one after the other: (wall, cpu) seconds of `make run`'s command and of `dbt build`.

    Both build the same tables from the same source in warehouses of their own, each for the second time and later.
    """
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", home)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "GREENERY_WAREHOUSE_PATH": str(folder / "job" / "greenery.duckdb"),
        "GREENERY_SOURCE_DIR": str(source),
        "GREENERY_REPORT_DIR": str(folder / "report"),
    }
    plain = Bench(folder / "dbt" / "greenery.duckdb", source)
    plain.load()
    plain.build()
    _job(environment)
    found = []
    for _ in range(count):
        job = _job(environment)
        built = plain.build()
        found.append({"job": job, "dbt build": (built.wall, built.cpu)})
    return found


def _job(environment: Mapping[str, str]) -> tuple[float, float]:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "greenery_assets", "run"],
        cwd=PROJECT_ROOT,
        env=environment,
        check=True,
        capture_output=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu
