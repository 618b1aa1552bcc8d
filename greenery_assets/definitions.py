"""Everything Dagster runs here, in one place that can be read without running anything."""

import dagster as dg
from dagster_dbt import DbtCliResource

from greenery_assets.alerts.project import Catalogue, Project, SampleMark
from greenery_assets.alerts.sensors import PatientSlackResource, routing_of
from greenery_assets.assets.figures import FIGURES, figure_checks
from greenery_assets.assets.marts import CHECKS_TAG, FULL_REFRESH_TAG, dbt_models
from greenery_assets.assets.raw import raw_tables
from greenery_assets.assets.report import CHANGES, state_of_the_data
from greenery_assets.assets.slack_messages import messages_arrive, slack_messages
from greenery_assets.automation import (
    daily_job,
    daily_schedule,
    dead_runs_sensor,
    failed_checks_sensor,
    freshness,
    report_job,
    report_sensor,
    retention_job,
    retention_schedule,
    weekly_schedule,
)
from greenery_assets.dbt.groups import groups
from greenery_assets.dbt.project import dbt_executable, dbt_project
from greenery_assets.privacy import SHAREABLE_COLUMNS, SHAREABLE_REASON, masked
from greenery_assets.settings import Settings, load_settings
from greenery_assets.warehouse import SAMPLE_DATA


def alerts_project(settings: Settings) -> Project:
    """What the alerts know of this project."""
    return Project(
        name="Greenery",
        settings_prefix="GREENERY_",
        home=settings.dagster_home,
        ledger_url=settings.ledger_url,
        preview=settings.preview_path,
        picture=settings.report_picture,
        routing_file=settings.alerts_file,
        slack_channel=settings.slack_channel,
        slack_token=settings.slack_token.get_secret_value() if settings.slack_token else None,
        slack_api_url=str(settings.slack_api_url),
        ping_url=settings.ping_url.get_secret_value() if settings.ping_url else None,
        timezone=settings.zone,
        ui_url=str(settings.ui_url).rstrip("/"),
        groups=tuple(groups()),
        marts={group.name for group in groups().values() if group.is_mart},
        daily_job=daily_job.name,
        kind_tags=(CHECKS_TAG, FULL_REFRESH_TAG),
        key_figures={figure.asset_key.to_user_string(): figure.column for figure in FIGURES},
        changes=(state_of_the_data.key.to_user_string(), CHANGES),
        sample_mark=SampleMark("raw", "source", SAMPLE_DATA),
        shareable_columns=SHAREABLE_COLUMNS,
        mask=masked,
        shareable_reason=SHAREABLE_REASON,
    )


def catalogue() -> Catalogue:
    """Everything in these definitions, as the alerts and the report know it."""
    return Catalogue.of(alerts_project(load_settings()), defs.get_repository_def())


settings = load_settings()
# A mistake in the alerts file is reported when the project loads, not when the first check fails.
routing = routing_of(alerts_project(settings))
policy = freshness(routing.expected_by)
# Messages are made by a sensor, so no run is late with them.
built = dg.map_asset_specs(
    lambda spec: spec.replace_attributes(freshness_policy=policy), [raw_tables, dbt_models, state_of_the_data]
)

defs = dg.Definitions(
    assets=dg.with_source_code_references([*built, slack_messages]),
    asset_checks=[figure_checks, messages_arrive],
    jobs=[daily_job, report_job, retention_job],
    schedules=[daily_schedule, weekly_schedule, retention_schedule],
    sensors=[failed_checks_sensor, report_sensor, dead_runs_sensor],
    resources={
        "dbt": DbtCliResource(
            project_dir=dbt_project,
            dbt_executable=dbt_executable(),
            # For people, and four times as short: the log of one run in JSON is 6 MB.
            global_config_flags=["--log-format-file", "debug"],
        ),
        # What the report and the alerts know of all this.
        "catalogue": dg.ResourceDefinition.hardcoded_resource(catalogue),
        "slack": PatientSlackResource(
            # The web interface shows a resource's configuration, but not the value of a variable.
            token=dg.EnvVar("GREENERY_SLACK_TOKEN") if settings.slack_token else "",
            base_url=str(settings.slack_api_url),
        ),
    },
    # One step at a time opens the warehouse anyway, and a process for each would import everything again.
    executor=dg.in_process_executor,
)
