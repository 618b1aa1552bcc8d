"""The daily job as `make run` runs it, on a few thousand rows, against a plain `dbt build` of the same project."""

import os
import resource
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.warehouse import Bench


def pairs(folder: Path, source: Path, checkouts: Sequence[Path], count: int) -> dict[str, list[tuple[float, float]]]:
    """(wall, cpu) seconds, so many times in turn, of `make run`'s command in each checkout and of `dbt build` here.

    Each has a warehouse of its own, and builds it for the second time and later. Raises RuntimeError with what a run
    wrote where it breaks; that checks fail does not matter.
    """
    plain = Bench(folder / "dbt" / "greenery.duckdb", source)
    plain.load()
    plain.build()
    homes = {checkout: _environment(checkout, folder / str(n), source) for n, checkout in enumerate(checkouts)}
    for checkout, environment in homes.items():
        _run(checkout, environment)
    found = defaultdict(list)
    for _ in range(count):
        for checkout, environment in homes.items():
            found[f"make run in {checkout.name}"].append(_run(checkout, environment))
        built = plain.build()
        found["dbt build"].append((built.wall, built.cpu))
    return found


def _environment(checkout: Path, folder: Path, source: Path) -> dict[str, str]:
    """Of a daily job with everything of its own."""
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    shutil.copy(checkout / "dagster_home" / "dagster.yaml", home)
    return {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "GREENERY_WAREHOUSE_PATH": str(folder / "greenery.duckdb"),
        "GREENERY_SOURCE_DIR": str(source),
        "GREENERY_REPORT_DIR": str(folder / "report"),
    }


def _run(checkout: Path, environment: Mapping[str, str]) -> tuple[float, float]:
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [str(checkout / ".venv" / "bin" / "python"), "-m", "greenery_assets", "run"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{checkout}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
