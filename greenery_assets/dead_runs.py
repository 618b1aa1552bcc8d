"""Runs whose process is gone, which nobody notes where the code server or the machine ended with it.

Such a run counts as running, and all others wait for it. A run that ended by itself, or whose code server saw it end,
is none of these.
"""

import os

import dagster as dg


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs whose process is gone as failed, so that Dagster tries them again; returns their ids.

    For the machine, and where there are containers the container, in which runs are executed.
    """
    is_started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    dead = []
    for run in instance.get_runs(is_started):
        pid = process_of(instance, run.run_id)
        # Its process may have ended it in between.
        if pid is None or is_there(pid) or run.run_id not in {each.run_id for each in instance.get_runs(is_started)}:
            continue
        instance.report_run_failed(run, "The process of this run was ended from outside.")
        # Its place in the pool, which the next attempt waits for: Dagster takes minutes to notice.
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        dead.append(run.run_id)
    return dead


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process that executes a run, by its own log; None before it has written that."""
    pids = [
        int(str(event.engine_event_data.metadata["pid"].value))
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        if (event := entry.dagster_event) and "pid" in event.engine_event_data.metadata
    ]
    return pids[-1] if pids else None


def is_there(pid: int) -> bool:
    """Whether a process exists on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
