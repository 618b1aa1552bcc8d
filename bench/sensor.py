"""What a tick of failed_checks_sensor costs after a short and a long history of runs: idle, and with new runs to read.

The past is an asset's run, stored by Dagster and repeated as stored; what is new is the daily job's run, with all its
events, repeated likewise.
"""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from greenery_assets.settings import PROJECT_ROOT, load_settings

# Where Dagster keeps a run beside the run's own file: file, table, and the column that holds all of it.
_TABLES = (("runs.db", "runs", "run_body"), ("runs/index.db", "event_logs", "event"))


@dataclass(frozen=True)
class Tick:
    """One pass of the alerts: seconds, and how many ended runs it read."""

    seconds: float
    runs: int


class Home:
    """A Dagster home, with what its sensor needs, below a folder."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder / "dagster_home"
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", self.folder)
        self.environment = {
            "DAGSTER_HOME": str(self.folder),
            "GREENERY_WAREHOUSE_PATH": str(folder / "greenery.duckdb"),
            "GREENERY_SOURCE_DIR": str(source),
            "GREENERY_REPORT_DIR": str(folder / "report"),
        }

    def live(self, runs: int) -> None:
        """Let so many runs of an asset end, and then the daily job, with which the alerts begin."""
        import dagster as dg  # noqa: PLC0415  seconds

        @dg.asset
        def thing() -> None:
            """One run of it is the pattern of all."""

        with dg.DagsterInstance.from_config(str(self.folder)) as instance:
            dg.Definitions(assets=[thing]).resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
            )
        self.repeat_newest_run(runs - 2, with_events=False)
        subprocess.run(
            [sys.executable, "-m", "greenery_assets", "run"],
            cwd=PROJECT_ROOT,
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
        )

    def repeat_newest_run(self, times: int, *, with_events: bool = True) -> None:
        """The run that ended last so many times more, under ids of their own.

        `with_events` copies what each logged too, which only whoever reads that run asks for.
        """
        history = self.folder / "history"
        with closing(sqlite3.connect(history / "runs.db")) as connection:
            (old,) = connection.execute("select run_id from runs order by id desc limit 1").fetchone()
        ids = [str(uuid4()) for _ in range(times)]
        for file, table, body in _TABLES:
            with closing(sqlite3.connect(history / file)) as connection, connection:
                names = [name for _, name, *_ in connection.execute(f"pragma table_info({table})") if name != "id"]
                changed = {"run_id": ":new", body: f"replace({body}, :old, :new)"}
                connection.executemany(
                    f"insert into {table} ({', '.join(names)}) "
                    f"select {', '.join(changed.get(name, name) for name in names)} from {table} where run_id = :old",
                    [{"old": old, "new": new} for new in ids],
                )
        for new in ids if with_events else []:
            events = history / "runs" / f"{new}.db"
            shutil.copy(history / "runs" / f"{old}.db", events)
            with closing(sqlite3.connect(events)) as connection, connection:
                connection.execute("pragma synchronous = off")
                connection.execute("update event_logs set run_id = ?, event = replace(event, ?, ?)", [new, old, new])

    def tick(self) -> Tick:
        """One pass, put together anew as a tick does."""
        os.environ |= self.environment
        import dagster as dg  # noqa: PLC0415  seconds

        from greenery_assets.alerts.sensors import alerts_of, client_of  # noqa: PLC0415
        from greenery_assets.definitions import alerts_project, defs  # noqa: PLC0415  reads the environment

        repository, project, log = (
            defs.get_repository_def(),
            alerts_project(load_settings()),
            logging.getLogger("bench"),
        )
        with dg.DagsterInstance.from_config(str(self.folder)) as instance:
            start = time.perf_counter()
            with alerts_of(project, instance, repository, client_of(project), log) as alerts:
                report = alerts.run_pass()
            return Tick(time.perf_counter() - start, report.runs)


def ticks(
    folder: Path, source: Path, histories: Sequence[int], news: Sequence[int], count: int
) -> Iterator[tuple[int, int, list[Tick]]]:
    """(runs in history, new runs, ticks until all are read) `count` times for each of both, all histories in turn.

    A tick stops reading after some seconds, so many new runs take several. Raises RuntimeError where one reads nothing.
    """
    homes = {runs: Home(folder / str(runs), source) for runs in histories}
    for runs, home in homes.items():
        home.live(runs)
        # The first one opens all, and tells of the job.
        home.tick()
    for _ in range(count):
        for new in (0, *news):
            for runs, home in homes.items():
                home.repeat_newest_run(new)
                taken = [home.tick()]
                while (read := sum(tick.runs for tick in taken)) < new:
                    taken.append(home.tick())
                    if not taken[-1].runs:
                        raise RuntimeError(f"After {runs} runs, {read} of {new} new ones were read, then none.")
                yield runs, new, taken
