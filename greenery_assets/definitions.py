"""Everything Dagster runs here, in one place that can be read without running anything."""

import dagster as dg
from dagster_dbt import DbtCliResource

from greenery_assets.assets.dbt import dbt_models
from greenery_assets.assets.figures import figure_checks
from greenery_assets.assets.raw import raw_tables
from greenery_assets.project import dbt_project
from greenery_assets.schedules import daily_job, daily_schedule

defs = dg.Definitions(
    assets=dg.with_source_code_references([raw_tables, dbt_models]),
    asset_checks=[figure_checks],
    jobs=[daily_job],
    schedules=[daily_schedule],
    resources={"dbt": DbtCliResource(project_dir=dbt_project)},
    # One step at a time opens the warehouse anyway, and a process for each would import everything again.
    executor=dg.in_process_executor,
)
