"""Everything Dagster runs here, in one place that can be read without running anything."""

import dagster as dg
from dagster_dbt import DbtCliResource

from greenery_assets.alerts.sensors import PatientSlackResource, failed_checks_sensor
from greenery_assets.alerts.setup import routing_of
from greenery_assets.assets.dbt import dbt_models
from greenery_assets.assets.figures import figure_checks
from greenery_assets.assets.messages import messages_arrive, slack_messages
from greenery_assets.assets.raw import raw_tables
from greenery_assets.assets.report import report_job, report_sensor, state_of_the_data
from greenery_assets.project import dbt_executable, dbt_project
from greenery_assets.schedules import daily_job, daily_schedule, weekly_schedule
from greenery_assets.settings import load_settings

settings = load_settings()
# A mistake in the alerts file is told when the project loads, not when the first check fails.
routing_of(settings)

defs = dg.Definitions(
    assets=dg.with_source_code_references([raw_tables, dbt_models, slack_messages, state_of_the_data]),
    asset_checks=[figure_checks, messages_arrive],
    jobs=[daily_job, report_job],
    schedules=[daily_schedule, weekly_schedule],
    sensors=[failed_checks_sensor, report_sensor],
    resources={
        "dbt": DbtCliResource(
            project_dir=dbt_project,
            dbt_executable=dbt_executable(),
            # For people, and four times as short: the log of one run in JSON is 6 MB.
            global_config_flags=["--log-format-file", "debug"],
        ),
        "slack": PatientSlackResource(
            # The web interface shows a resource's configuration, but not the value of a variable.
            token=dg.EnvVar("GREENERY_SLACK_TOKEN") if settings.slack_token else "",
            base_url=str(settings.slack_api_url),
        ),
    },
    # One step at a time opens the warehouse anyway, and a process for each would import everything again.
    executor=dg.in_process_executor,
)
