"""`make run`: one daily job in this process, with its progress and verdict on the terminal.

Starting, following and ending a run belong here; how a run is summed up is summary's business.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from greenery_assets.alerts.runs import Catalogue, finding_of, was_stopped
from greenery_assets.alerts.sensors import alerting
from greenery_assets.dagster_home import open_history
from greenery_assets.dbt.groups import position
from greenery_assets.dbt.project import WAREHOUSE_POOL
from greenery_assets.dead_runs import is_there, process_of
from greenery_assets.settings import PostgresAddress, Settings, shown
from greenery_assets.summary import RunFacts, group_line, render, render_end, render_next_steps
from greenery_assets.warehouse import (
    DATABASE_ERRORS,
    Source,
    WarehouseError,
    WarehouseMissingError,
    open_for_reading,
    recorded_source,
)


def no_facts_yet(catalogue: Catalogue) -> RunFacts:
    """The facts of a run before it starts: all planned assets and checks, by group."""
    groups = catalogue.lineage.groups
    order = sorted(set(groups.values()), key=position)
    return RunFacts(
        planned_assets={
            group: [key.to_user_string() for key in catalogue.built if groups[key.to_user_string()] == group]
            for group in order
        },
        planned_checks={
            group: [
                (key.asset_key.to_user_string(), key.name)
                for key in catalogue.checks
                if groups[key.asset_key.to_user_string()] == group
            ]
            for group in order
        },
        figures=catalogue.figures,
        marts_from=catalogue.lineage.marts_from,
    )


def run_daily_job(
    settings: Settings,
    *,
    full_refresh: bool = False,
    days: str = "",
    new_source: bool = False,
    accept_row_loss: bool = False,
) -> int:
    """Run `daily_job` once and print the result, failures last.

    `full_refresh` builds every model from the whole history. `days` are rebuilt in addition to the affected days
    (refresh.named_days explains the form). `new_source` and `accept_row_loss` confirm a change of the source or of its
    rows (assets/raw.py). Returns the exit code: 0 if the job ran, everything planned was built and evaluated, no ERROR
    check failed and the alerts worked, else 1.
    """
    console = Console(file=os.fdopen(os.dup(1), "w"), highlight=False)
    source = shown(settings.source_dir) if settings.source_dir else "sample data (GREENERY_SOURCE_DIR is not set)"
    if settings.source_dir and Source.at(settings.source_dir).is_sample:
        source += " (sample data)"
    console.print(f"Source     {source}")
    console.print(f"Warehouse  {_where(settings)}")
    with one_at_a_time(settings, console.print):
        console.print(_beginning(settings), soft_wrap=True)
        # The lines above come before seconds of imports.
        from greenery_assets.assets.marts import FULL_REFRESH_TAG  # noqa: PLC0415
        from greenery_assets.assets.report import REPORT, REPORT_JOB, run_without_report  # noqa: PLC0415
        from greenery_assets.definitions import alerts_project, defs  # noqa: PLC0415

        project, repository = alerts_project(settings), defs.get_repository_def()
        job, catalogue = defs.resolve_job_def("daily_job"), Catalogue.of(project, repository)
        facts = no_facts_yet(catalogue)
        with open_history(settings.dagster_home) as instance, alerting(project, instance, repository, shown) as alerts:
            alerts.begin()
            _make_way(instance, console)
            run_id = str(uuid4())
            with _followed(instance, run_id, catalogue, facts, console):
                load = {"new_source": new_source, "accept_row_loss": accept_row_loss}
                build = {"full_refresh": full_refresh, "days": days}
                ops = {"dbt_models": {"config": build}, "raw_tables": {"config": load}}
                facts.succeeded = _execute(job, instance, run_id, ops)
            run = instance.get_run_by_id(run_id)
            if run and (reason := run.tags.get(FULL_REFRESH_TAG)):
                console.print(f"Full refresh: {reason}.")
            # What stopped the run stopped the report too, and no sensor is there to ask for it.
            no_report = run_without_report(instance, catalogue)
            if no_report and _execute(defs.resolve_job_def(REPORT_JOB), instance, str(uuid4())):
                facts.rows[REPORT.path[0]][REPORT.to_user_string()] = None
            notified = alerts.notify()
    steps = [
        ("Lineage, checks and history", f"make ui, then {settings.ui_url}"),
        ("This run there", settings.ui_link(f"runs/{run_id}")),
        ("The state of the data", _report(settings, REPORT.to_user_string() in facts.rows[REPORT.path[0]])),
        ("The tables", f"{_where(settings)}, in any {_client(settings)}"),
        *([] if alerts.problem else [("Alerts", notified)]),
    ]
    facts.is_sample = _is_sample(settings)
    console.print(render(facts, _repeat_rate(settings, facts)))
    # An address broken over two lines cannot be clicked.
    console.print(render_next_steps(steps), soft_wrap=True)
    console.print(render_end(facts, settings.ui_link(f"runs/{run_id}")))
    if alerts.problem:
        console.print(f"\nAlerts: {notified}", style="bold red", soft_wrap=True, markup=False)
    # A run that nobody can be notified of is not well.
    return 1 if alerts.problem else facts.exit_code


def _execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, run_id: str, ops: Mapping[str, Any] | None = None
) -> bool:
    """Run a job in this process, its `ops` configured so; returns whether it ended well."""
    with _output_muted():
        return job.execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            tags={"greenery/launched_by": "make run"},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, "ops": ops or {}},
        ).success


def _beginning(settings: Settings) -> str:
    """What goes on until the first table is there, and how long it takes as a rule."""
    is_sample_to_be_made = not settings.source_dir and not settings.sample_dir.exists()
    sample = "makes sample data and " if is_sample_to_be_made else ""
    if isinstance(settings.warehouse, Path) and not settings.warehouse.exists():
        return f"First run  {sample}builds all tables: about a minute with sample data, longer with more"
    return "Starting   Dagster and dbt: about ten seconds"


def _where(settings: Settings) -> str:
    place = settings.warehouse
    if isinstance(place, Path):
        return shown(settings.warehouse_path)
    return f"PostgreSQL, {place}" if isinstance(place, PostgresAddress) else str(place)


def _client(settings: Settings) -> str:
    clients = {"postgres": "PostgreSQL client", "spark": "client of Spark's Thrift server, such as beeline"}
    return clients.get(settings.engine, "DuckDB client, read-only")


def _report(settings: Settings, is_new: bool) -> str:
    return f"{shown(settings.report_page)}, in any browser" if is_new else "not written; make report says why"


@contextlib.contextmanager
def one_at_a_time(settings: Settings, say: Callable[[str], None]) -> Iterator[None]:
    """Let one command into the warehouse at a time. The system drops the lock if it is killed."""
    place = settings.warehouse
    # Runs that are started elsewhere are kept out of a server's database by a lock there.
    lock = FileLock(f"{place if isinstance(place, Path) else settings.dagster_home / 'warehouse'}.run.lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say("Another run is under way; waiting for it to end.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _make_way(instance: dg.DagsterInstance, console: Console) -> None:
    """End runs whose process is gone but which still hold the warehouse; say so where one is alive.

    A run that was killed keeps its place in the pool, and only the daemon of `make ui` would take it away.
    """
    pool = instance.event_log_storage.get_concurrency_info(WAREHOUSE_POOL)
    for run_id in pool.active_run_ids | pool.pending_run_ids:
        run = instance.get_run_by_id(run_id)
        pid = process_of(instance, run_id)
        if run and not run.is_finished and pid is not None and is_there(pid):
            console.print(f"Run {run_id} has the warehouse; waiting for it to end.")
            continue
        if run and not run.is_finished:
            # No daemon need be there to try it again, and the alerts would wait for that attempt to report it.
            instance.add_run_tags(run_id, {"dagster/max_retries": "0"})
            instance.report_run_failed(run, "The process of this run was killed.")
        instance.event_log_storage.free_concurrency_slots_for_run(run_id)


@contextlib.contextmanager
def _output_muted() -> Iterator[None]:
    """Keep the logs of dbt and Dagster off the terminal.

    Muted at the descriptors, so that Dagster still captures them for the web interface.
    """
    with contextlib.ExitStack() as stack:
        nowhere = stack.enter_context(Path(os.devnull).open("w"))
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            kept = os.dup(descriptor)
            stack.callback(os.close, kept)
            stack.callback(os.dup2, kept, descriptor)
            stack.callback(stream.flush)
            os.dup2(nowhere.fileno(), descriptor)
        yield


@contextlib.contextmanager
def _followed(
    instance: dg.DagsterInstance, run_id: str, catalogue: Catalogue, facts: RunFacts, console: Console
) -> Iterator[None]:
    """Collect the run's facts while it goes on, and show how far it is."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} assets and checks"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        # It would show what is printed meanwhile: dbt's whole log.
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    )
    announced: set[str] = set()
    steps = sum(map(len, facts.planned_assets.values())) + sum(map(len, facts.planned_checks.values()))
    task = progress.add_task("Loading the source tables", total=steps)

    def follow(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY:
            progress.console.print(f"{event.step_key} was killed; it is started again.")
        group = _collect(event, catalogue, facts)
        if group is None:
            return
        done = sum(map(len, facts.rows.values())) + len(facts.checks)
        progress.update(task, completed=done, description=f"Building {group}")
        if facts.rows[group] and facts.is_complete(group) and group not in announced:
            announced.add(group)
            progress.console.print(group_line(facts, group))

    instance.add_event_listener(run_id, follow)
    with progress:
        yield


def _collect(event: dg.DagsterEvent, catalogue: Catalogue, facts: RunFacts) -> str | None:
    """Add what an event reports to the facts; returns the group it is about, if any."""
    if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
        key = event.step_materialization_data.materialization.asset_key
        group = catalogue.lineage.groups[key.to_user_string()]
        rows = event.step_materialization_data.materialization.metadata.get("dagster/row_count")
        facts.rows[group][key.to_user_string()] = int(str(rows.value)) if rows else None
        return group
    if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        evaluation = event.asset_check_evaluation_data
        group = catalogue.lineage.groups[evaluation.asset_key.to_user_string()]
        facts.add(finding_of(evaluation, catalogue))
        return group
    if event.event_type == dg.DagsterEventType.STEP_FAILURE:
        failure = event.step_failure_data
        if was_stopped(event):
            facts.problems.append("Stopped. Tables that were not rebuilt are as they were.")
        elif failure.user_failure_data and failure.user_failure_data.description:
            facts.problems.append(failure.user_failure_data.description)
        elif failure.error and failure.error.cls_name != "DagsterAssetCheckFailedError":
            cause = failure.error.cause or failure.error
            facts.problems.append(f"{event.step_key}: {cause.message.strip()} (the run's log has the rest)")
    return None


def _is_sample(settings: Settings) -> bool:
    """Whether the tables hold sample data, whatever this run would have loaded."""
    try:
        with open_for_reading(settings.warehouse) as connection:
            source = recorded_source(connection)
    except (WarehouseError, *DATABASE_ERRORS):
        return False
    return source is not None and source.is_sample


def _repeat_rate(settings: Settings, facts: RunFacts) -> str:
    try:
        with open_for_reading(settings.warehouse) as connection:
            row = connection.execute(
                "select users_repeat, users_purchased, repeat_rate from marketing.fact_repeat_rate"
            ).fetchone()
    except WarehouseMissingError:
        row = None
    except WarehouseError:  # the end of the output has the reason
        return "not known"
    except DATABASE_ERRORS:  # no run has built it yet, or the verdict says what is wrong
        row = None
    if row is None or row[2] is None:
        return "not known yet"
    refreshed = "marketing/fact_repeat_rate" in facts.rows["marketing"]
    return f"{row[2]:.3f} ({row[0]} of {row[1]} buyers)" + ("" if refreshed else ", from an earlier run")
