"""Runs that are written into Dagster's storage event by event, where executing them would take too long."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

import dagster as dg
from dagster._core.events import AssetCheckEvaluationPlanned, JobFailureData, RunFailureReason
from dagster._core.execution.plan.objects import StepFailureData

from tests.alerts.builders import JOB, OUTCOMES
from tests.alerts.shop import Shop, evaluation_of


def begin_run(shop: Shop, at: datetime, **tags: str) -> str:
    """A run that has started, and goes on. Returns its id."""
    run_id = str(uuid4())
    run = dg.DagsterRun(job_name=JOB, run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags)
    shop.instance.add_run(run)
    _record(shop, run_id, [(_event(dg.DagsterEventType.RUN_START, None), at)])
    return run_id


def end_run(shop: Shop, run_id: str, at: datetime, status: dg.DagsterRunStatus = dg.DagsterRunStatus.SUCCESS) -> None:
    """Have a run that goes on end."""
    _record(shop, run_id, [(_end(status), at)])


def record_run(
    shop: Shop,
    found: str = "",
    ended_at: datetime | None = None,
    took: timedelta = timedelta(minutes=1),
    **tags: str,
) -> str:
    """A run of all checks with outcomes such as "orders=F3 staged=?", that ended well or was blocked by one."""
    codes = dict(pair.split("=") for pair in found.split())
    ended_at = ended_at or datetime.now().astimezone()
    run_id = begin_run(shop, ended_at - took, **tags)
    blocked = any(code[0].isupper() and OUTCOMES[code[0]].is_failing for code in codes.values())
    status = dg.DagsterRunStatus.FAILURE if blocked else dg.DagsterRunStatus.SUCCESS
    _record(shop, run_id, [(event, ended_at) for event in (*_events(shop, codes), _end(status))])
    return run_id


def _record(shop: Shop, run_id: str, events: Iterable[tuple[dg.DagsterEvent, datetime]]) -> None:
    for event, at in events:
        entry = dg.EventLogEntry(None, "info", "", run_id, at.timestamp(), job_name=JOB, dagster_event=event)
        shop.instance.handle_new_event(entry)


def _events(shop: Shop, codes: dict[str, str]) -> Iterable[dg.DagsterEvent]:
    for name, subject in shop.checks.items():
        code = codes.get(name, "P")
        if code == "?":
            planned = AssetCheckEvaluationPlanned(
                asset_key=dg.AssetKey.from_user_string(subject.asset), check_name=subject.name
            )
            yield _event(dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED, planned)
        else:
            yield _event(dg.DagsterEventType.ASSET_CHECK_EVALUATION, evaluation_of(subject, code))


def _end(status: dg.DagsterRunStatus) -> dg.DagsterEvent:
    step = _event(dg.DagsterEventType.STEP_FAILURE, StepFailureData(None, None))
    failure = JobFailureData(None, RunFailureReason.STEP_FAILURE, step)
    return _event(
        dg.DagsterEventType[f"RUN_{status.value}"], failure if status == dg.DagsterRunStatus.FAILURE else None
    )


def _event(kind: dg.DagsterEventType, data: object) -> dg.DagsterEvent:
    return dg.DagsterEvent(kind.value, job_name=JOB, event_specific_data=data)  # type: ignore[arg-type]
