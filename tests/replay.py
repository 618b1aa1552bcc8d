"""A history of many days out of one real run: the same events, at other times, through the instance's own interface."""

import shutil
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg


def replay(instance: dg.DagsterInstance, run_id: str, ended: datetime) -> str:
    """Store a run once more, with its output, as one that ended at another time; returns its id."""
    record = instance.get_run_record_by_id(run_id)
    assert record
    assert record.end_time
    new, later = str(uuid4()), ended.timestamp() - record.end_time
    run = record.dagster_run._replace(run_id=new, status=dg.DagsterRunStatus.NOT_STARTED)
    instance.run_storage.add_historical_run(run, ended)
    for entry in instance.all_logs(run_id):
        instance.handle_new_event(entry._replace(run_id=new, timestamp=entry.timestamp + later))
    output = Path(instance.storage_directory()) / run_id
    shutil.copytree(output, output.with_name(new))
    return new
