"""What a tick of failed_checks_sensor costs when nothing happened, after a short and a long history of runs."""

import logging
import os
import shutil
import sqlite3
import statistics
import time
from pathlib import Path
from uuid import uuid4

from greenery_assets.settings import PROJECT_ROOT, load_settings


def ticks(folder: Path, runs: int, count: int = 15) -> list[float]:
    """Seconds of so many passes in a Dagster home with so many ended runs, the first, which opens all, left out."""
    home = folder / "dagster_home"
    home.mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", home)
    os.environ |= {
        "DAGSTER_HOME": str(home),
        "GREENERY_WAREHOUSE_PATH": str(folder / "none.duckdb"),
        "GREENERY_REPORT_DIR": str(folder / "report"),
    }
    import dagster as dg  # noqa: PLC0415  seconds, and it reads the environment

    from greenery_assets.alerts.setup import alerts_of, client_of  # noqa: PLC0415
    from greenery_assets.definitions import defs  # noqa: PLC0415

    settings = load_settings()

    @dg.asset
    def thing() -> None:
        """One run of it is the pattern of all."""

    with dg.DagsterInstance.get() as instance:
        dg.Definitions(assets=[thing]).resolve_implicit_global_asset_job_def().execute_in_process(instance=instance)
        _repeat_run(home, runs - 1)
        seconds = []
        for _ in range(count + 1):
            start = time.perf_counter()
            # As a tick does: everything is put together anew.
            log = logging.getLogger("bench")
            with alerts_of(settings, instance, defs.get_repository_def(), client_of(settings), log) as alerts:
                alerts.run_pass()
            seconds.append(time.perf_counter() - start)
    return seconds[1:]


def _repeat_run(home: Path, times: int) -> None:
    """The one run of a Dagster home so many times more, under ids of their own."""
    ids = [str(uuid4()) for _ in range(times)]
    for file, table in (("runs.db", "runs"), ("runs/index.db", "event_logs")):
        with sqlite3.connect(home / "history" / file) as connection:
            columns = [name for _, name, *_ in connection.execute(f"pragma table_info({table})") if name != "id"]
            of = next(name for name in ("run_id",) if name in columns)
            body = {"runs": "run_body", "event_logs": "event"}[table]
            rows = connection.execute(f"select {', '.join(columns)} from {table}").fetchall()
            marks = ", ".join("?" * len(columns))
            for new in ids:
                for row in rows:
                    values = dict(zip(columns, row, strict=True))
                    old = values[of]
                    values[of], values[body] = new, values[body].replace(old, new)
                    connection.execute(
                        f"insert into {table} ({', '.join(columns)}) values ({marks})", list(values.values())
                    )
        connection.close()


def medians(folder: Path, few: int = 100, many: int = 10_000) -> dict[int, float]:
    """Median seconds of a tick by number of ended runs."""
    return {runs: statistics.median(ticks(folder / str(runs), runs)) for runs in (few, many)}
