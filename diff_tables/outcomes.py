"""Prints what the newest daily run in DAGSTER_HOME found, as JSON: `checks`, `faults`, `has_error`; null without a run.

A program of its own: it runs with a side's own Python, as the Dagster there may be another version, and imports
nothing of the project. `checks` has the outcome of each planned check, by "asset: check", in words. `faults` are why
steps failed, apart from checks. `has_error`: an ERROR check failed.
"""

import json

import dagster as dg


def outcomes(instance: dg.DagsterInstance, run_id: str) -> dict[str, object]:
    """The outcomes of a run's checks, and its faults."""
    checks: dict[str, str] = {}
    faults, has_error = [], False
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            planned = event.asset_check_planned_data
            checks.setdefault(f"{'.'.join(planned.asset_key.path)}: {planned.check_name}", "not evaluated")
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            rows = found.metadata.get("failing_rows")
            outcome = (
                "holds" if found.passed else f"{found.severity.value}, failing rows: {rows.value if rows else '?'}"
            )
            checks[f"{'.'.join(found.asset_key.path)}: {found.check_name}"] = outcome
            has_error |= not found.passed and found.severity == dg.AssetCheckSeverity.ERROR
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            failure = event.step_failure_data
            if failure.user_failure_data and failure.user_failure_data.description:
                faults.append(failure.user_failure_data.description)
            elif failure.error and failure.error.cls_name != "DagsterAssetCheckFailedError":
                faults.append(f"{event.step_key}: {(failure.error.cause or failure.error).message.strip()}")
    return {"checks": checks, "faults": faults, "has_error": has_error}


if __name__ == "__main__":
    with dg.DagsterInstance.get() as home:
        runs = home.get_runs(dg.RunsFilter(job_name="daily_job"), limit=1)
        print(json.dumps(outcomes(home, runs[0].run_id) if runs else None))
