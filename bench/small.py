"""The small end: the daily job on a few thousand rows against a plain `dbt build` of the same project."""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.warehouse import Bench
from greenery_assets.settings import PROJECT_ROOT


@dataclass(frozen=True)
class Pair:
    """(wall, cpu) seconds of `make run`'s command and of `dbt build`; the report step's share of the run."""

    job: tuple[float, float]
    dbt_build: tuple[float, float]
    report_share: float


def pairs(folder: Path, source: Path, count: int) -> list[Pair]:
    """Both so many times, one after the other.

    They build the same tables from the same source in warehouses of their own, each for the second time and later.
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
        found.append(Pair(job, (built.wall, built.cpu), _report_share(home)))
    return found


def _report_share(home: Path) -> float:
    """What Dagster stored of the last run."""
    import dagster as dg  # noqa: PLC0415  seconds

    from greenery_assets.assets.report import REPORT  # noqa: PLC0415

    with dg.DagsterInstance.from_config(str(home)) as instance:
        (record,) = instance.get_run_records(dg.RunsFilter(job_name="daily_job"), limit=1)
        (step,) = instance.get_run_step_stats(record.dagster_run.run_id, [REPORT.to_python_identifier()])
    times = (step.start_time, step.end_time, record.start_time, record.end_time)
    assert None not in times, "the run has ended"
    began, ended, run_began, run_ended = (float(time or 0) for time in times)
    return (ended - began) / (run_ended - run_began)


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
