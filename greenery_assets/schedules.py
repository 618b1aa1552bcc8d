"""When the whole graph runs: the daily job, its schedule, and once a week with every check over all of the data."""

import dagster as dg

from greenery_assets.settings import load_settings

daily_job = dg.define_asset_job(
    "daily_job",
    selection=dg.AssetSelection.all() | dg.AssetSelection.all_asset_checks(),
    description="Load the source tables, build every mart and evaluate every assumption.",
)

daily_schedule = dg.ScheduleDefinition(
    name="daily_schedule",
    job=daily_job,
    cron_schedule="0 6 * * *",
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
        "Every Sunday at 03:00 in GREENERY_TIMEZONE: the daily job, with every check over all of the data. On other "
        "days the checks that take long look at what is new and at what failed before."
    ),
)
