"""Every job, schedule and sensor. What they run is in assets, what a tick of the alerts does is in alerts."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import dagster as dg

from greenery_assets.alerts.project import Catalogue
from greenery_assets.alerts.sensors import PatientSlackResource, tick
from greenery_assets.assets.report import REPORT, REPORT_JOB, run_without_report
from greenery_assets.dbt.project import WAREHOUSE_POOL
from greenery_assets.dead_runs import end_dead_runs
from greenery_assets.failures import explained
from greenery_assets.retention import purge_history, purge_personal_data
from greenery_assets.settings import load_settings

BEGINS = time(6)

daily_job = dg.define_asset_job(
    "daily_job",
    selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
    description="Load the source tables, build every mart and evaluate every assumption.",
)

daily_schedule = dg.ScheduleDefinition(
    name="daily_schedule",
    job=daily_job,
    cron_schedule=f"{BEGINS.minute} {BEGINS.hour} * * *",
    execution_timezone=load_settings().timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day at 06:00 in GREENERY_TIMEZONE, before anybody looks at a figure.",
)

weekly_schedule = dg.ScheduleDefinition(
    name="weekly_schedule",
    job=daily_job,
    run_config={"ops": {"dbt_models": {"config": {"full_checks": True}}}},
    cron_schedule="0 3 * * 0",
    execution_timezone=load_settings().timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every Sunday at 03:00 in GREENERY_TIMEZONE: the daily job, with every check over all data. On other days "
        "checks look at the days that are rebuilt and at rows that failed before."
    ),
)


def freshness(expected_by: time) -> dg.FreshnessPolicy:
    """What every asset keeps to: a run that began with daily_schedule or later has built it by the expected time."""
    begins, expected = (timedelta(hours=at.hour, minutes=at.minute) for at in (BEGINS, expected_by))
    return dg.FreshnessPolicy.cron(
        deadline_cron=f"{expected_by.minute} {expected_by.hour} * * *",
        lower_bound_delta=(expected - begins) % timedelta(days=1) or timedelta(days=1),
        timezone=load_settings().timezone,
    )


report_job = dg.define_asset_job(
    REPORT_JOB,
    selection=dg.AssetSelection.assets(REPORT).without_checks(),
    description="Write the page about the state of the data again, without building anything else.",
)


@dg.op(pool=WAREHOUSE_POOL)
def delete_what_is_old(context: dg.OpExecutionContext, catalogue: dg.ResourceParam[Callable[[], Catalogue]]) -> None:
    """Delete history and personal data that are older than the settings allow."""
    settings, known, now = load_settings(), catalogue(), datetime.now(UTC)
    runs = purge_history(context.instance, known, settings, now)
    context.log.info(f"{runs:,} runs were older than {settings.keep_days} days, and were deleted.")
    with explained(settings.warehouse):
        purge_personal_data(context.instance, known, settings, now)


@dg.job(description="Delete runs with their logs, and personal data, that are older than the settings allow.")
def retention_job() -> None:
    """Not part of daily_job: nothing that is published depends on it."""
    delete_what_is_old()


retention_schedule = dg.ScheduleDefinition(
    name="retention_schedule",
    job=retention_job,
    cron_schedule="0 5 * * 0",
    execution_timezone=load_settings().timezone,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every Sunday at 05:00 in GREENERY_TIMEZONE, before the daily job.",
)


@dg.sensor(
    name="failed_checks_sensor",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Notifies in Slack of what the checks of ended runs found: once when it breaks, and when it is "
    "resolved.",
)
def failed_checks_sensor(
    context: dg.SensorEvaluationContext,
    catalogue: dg.ResourceParam[Callable[[], Catalogue]],
    slack: PatientSlackResource,
) -> dg.SkipReason:
    """Read the runs that ended since the last tick, and send what waits."""
    return tick(context, catalogue().project, slack)


@dg.sensor(
    name="report_sensor",
    job=report_job,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts report_job after a run that ended before the page was written: one that a failed check "
    "stopped, or one of chosen assets.",
)
def report_sensor(
    context: dg.SensorEvaluationContext, catalogue: dg.ResourceParam[Callable[[], Catalogue]]
) -> dg.RunRequest | dg.SkipReason:
    """Request the page once for the last run that ended without it."""
    run_id = run_without_report(context.instance, catalogue())
    if run_id is None:
        return dg.SkipReason("The page shows the last run.")
    return dg.RunRequest(run_key=run_id)


@dg.sensor(
    name="dead_runs_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports a run as failed whose process is gone, as after a restart of the machine: it would count as "
    "running, and all others would wait for it. Dagster then tries it again.",
)
def dead_runs_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """End the dead runs. A tick runs in the code server, so this is where runs are, and where they can start again."""
    dead = end_dead_runs(context.instance)
    return dg.SkipReason(f"Reported as failed: {', '.join(dead)}." if dead else "Each started run has its process.")
