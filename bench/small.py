"""The small end: the daily job on a few thousand rows against a plain `dbt build` of the same project.

From the command line, each time a new process, and from a web interface that runs already.
"""

import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import dagster as dg
from dagster_graphql import DagsterGraphQLClient

from bench.warehouse import Bench
from greenery_assets.settings import PROJECT_ROOT

JOB = "daily_job"
PATIENCE_S = 300
# The sensors tell what came of a run within ten seconds of its end, at the cost of whatever comes next.
AFTER_A_RUN_S = 15


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
    environment, plain = _prepared(folder, source)
    _job(environment)
    found = []
    for _ in range(count):
        job = _job(environment)
        built = plain.build()
        found.append(Pair(job, (built.wall, built.cpu), _report_share(folder)))
    return found


def pairs_from_interface(folder: Path, source: Path, count: int) -> list[dict[str, float]]:
    """So many times, one after the other: wall seconds of the job in a running web interface, and of `dbt build`.

    `run` is from the start of the run to its end, `launch` from the click to the same end. Its daemon
    and the sensors run all the time.
    """
    environment, plain = _prepared(folder, source)
    with _interface(environment, folder / "interface.log") as launch:
        launch()
        time.sleep(AFTER_A_RUN_S)
        found = []
        for _ in range(count):
            since_start, since_launch = launch()
            time.sleep(AFTER_A_RUN_S)
            found.append({"run": since_start, "launch": since_launch, "dbt build": plain.build().wall})
    return found


def phases(folder: Path) -> list[tuple[str, float]]:
    """Seconds of each step of the last run in the measuring folder, by Dagster's own history, in order."""
    with _instance(folder / "dagster_home") as instance:
        record = instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=1)[0]
        steps = instance.get_run_step_stats(record.dagster_run.run_id)
    created = record.create_timestamp.timestamp()
    waited = ("before the run starts", (record.start_time or created) - created)
    spans = [(step.step_key, step.start_time, step.end_time) for step in steps]
    return [
        waited,
        *((name, end - start) for name, start, end in sorted(spans, key=lambda s: s[1] or 0) if start and end),
    ]


def _prepared(folder: Path, source: Path) -> tuple[dict[str, str], Bench]:
    """The environment of a daily job with everything of its own, and a warehouse that dbt has built once."""
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
    return environment, plain


@contextlib.contextmanager
def _interface(environment: Mapping[str, str], log: Path) -> Iterator[Callable[[], tuple[float, float]]]:
    """`make ui`'s command on a free port; yields what launches the job, waits, and tells the seconds it took."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "greenery_assets", "ui"],
            cwd=PROJECT_ROOT,
            env={**environment, "GREENERY_UI_URL": f"http://localhost:{port}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        # It answers once it has loaded the definitions.
        _wait_for(f"http://localhost:{port}/server_info")
        client = DagsterGraphQLClient("localhost", port_number=port)
        with _instance(Path(environment["DAGSTER_HOME"])) as instance:
            yield lambda: _launched(client, instance)
    finally:
        # Dagster passes it on to its web server, its daemon and its code server.
        process.send_signal(signal.SIGINT)
        process.wait()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            urlopen(address).close()
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


def _launched(client: DagsterGraphQLClient, instance: dg.DagsterInstance) -> tuple[float, float]:
    """Launch the job as the web interface does and wait for its end; seconds since its start and since the launch."""
    launched_at = time.time()
    run_id = client.submit_job_execution(JOB)
    while True:
        record = instance.get_run_record_by_id(run_id)
        if record and record.start_time and record.end_time:
            break
        if time.time() - launched_at > PATIENCE_S:
            raise RuntimeError(f"Run {run_id} does not end.")
        time.sleep(0.1)
    if not record.dagster_run.is_success:
        raise RuntimeError(f"Run {run_id} ended as {record.dagster_run.status}.")
    return record.end_time - record.start_time, record.end_time - launched_at


def _instance(home: Path) -> dg.DagsterInstance:
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()


def _report_share(folder: Path) -> float:
    """The report step's share of the last run in the measuring folder."""
    spans = dict(phases(folder))
    return spans["reporting__state_of_the_data"] / sum(spans.values())


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
