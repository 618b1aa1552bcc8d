"""A23: published shares move little from one run to the next.

Each run records the figure as an observation of its mart, which Dagster draws over time and the next run
compares with.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from greenery_assets.checks import Assumption, moved_little
from greenery_assets.dbt.groups import groups
from greenery_assets.dbt.project import WAREHOUSE_POOL
from greenery_assets.failures import explained
from greenery_assets.presentation import check_result, check_spec
from greenery_assets.privacy import scalar
from greenery_assets.settings import load_settings
from greenery_assets.warehouse import open_for_reading


@dataclass(frozen=True)
class Figure:
    """A share that a one-row mart publishes in `column` of `schema.table`."""

    schema: str
    table: str
    column: str

    @property
    def asset_key(self) -> dg.AssetKey:
        """The mart that publishes it."""
        return dg.AssetKey([self.schema, self.table])

    @property
    def name(self) -> str:
        """What people call it."""
        return self.column.replace("_", " ")

    @property
    def check(self) -> dg.AssetCheckSpec:
        """The check that it moved little."""
        assumption = Assumption(
            "A23",
            f"The {self.name} moved less than the set step since the last run.",
            "WARN",
            "A share over all customers moves slowly; a jump is more often a fault in the data than news.",
            "Look for days loaded twice or lost, then at what changed in the shop. The step is "
            "GREENERY_MAX_FIGURE_STEP. The next run compares with this one's figure.",
            affects=self.name,
        )
        return check_spec(f"{self.column}_moved_little", self.asset_key, assumption, groups()[self.schema].owner)


FIGURES = [
    Figure("marketing", "fact_repeat_rate", "repeat_rate"),
    Figure("product", "fact_conversion", "conversion_rate"),
]


@dg.multi_asset_check(
    name="figures_moved_little",
    specs=[figure.check for figure in FIGURES],
    can_subset=True,
    pool=WAREHOUSE_POOL,
)
def figure_checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """Compare each selected figure with the one the last run recorded, and record this one."""
    settings = load_settings()
    with explained(settings.warehouse), open_for_reading(settings.warehouse) as connection:
        values = {
            figure: scalar(connection, f"select {figure.column} from {figure.schema}.{figure.table}")
            for figure in FIGURES
            if figure.check.key in context.selected_asset_check_keys
        }
    for figure, value in values.items():
        verdict = moved_little(figure.name, value, _last_recorded(context.instance, figure), settings.max_figure_step)
        if value is not None:
            context.op_execution_context.log_event(
                dg.AssetObservation(figure.asset_key, metadata={figure.column: value})
            )
        yield check_result(figure.check, verdict)


def _last_recorded(instance: dg.DagsterInstance, figure: Figure) -> float | None:
    for record in instance.fetch_observations(figure.asset_key, limit=10).records:
        observation = record.asset_observation
        if observation and figure.column in observation.metadata:
            return float(str(observation.metadata[figure.column].value))
    return None
