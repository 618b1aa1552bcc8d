"""The border of the alerts: they know another project by one Project, and nothing of Greenery.

That they import nothing else of this project is a contract in pyproject.toml, which `make lint` holds.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from greenery_assets.alerts.cli import app
from greenery_assets.alerts.project import Project
from greenery_assets.alerts.sensors import PatientSlackResource, alerting, tick
from tests.job import ROOT
from tests.slack.fake import FakeSlack

ALERTS = ROOT / "greenery_assets" / "alerts"
OF_GREENERY = r"greenery(?!_assets\.alerts)|dbt|conversion|repeat.rate|funnel|fact_|stg_|promo|marketing|raw/"


@pytest.mark.parametrize("file", sorted(ALERTS.rglob("*.[pht]*[ylm]")), ids=lambda file: file.name)
def test_the_alerts_name_nothing_of_greenery(file: Path) -> None:
    assert re.findall(OF_GREENERY, file.read_text(), re.IGNORECASE) == []


@dg.asset(key_prefix="oven", group_name="oven", owners=["baker@example.com"])
def loaves() -> None:
    """Every loaf that was baked."""


@dg.asset(key_prefix="counter", group_name="counter", deps=[loaves], owners=["till@example.com"])
def sales() -> None:
    """Every loaf that was sold."""


@dg.asset(key_prefix="counter", group_name="counter", deps=[sales], owners=["till@example.com"])
def takings() -> None:
    """What was taken each day."""


def bakery(*failing: str) -> dg.Definitions:
    """Three assets and two checks of a bakery, some of which fail."""

    @dg.asset_check(
        asset=sales,
        blocking=True,
        description="No loaf is sold twice.",
        metadata={"severity": "ERROR", "owner": "till@example.com", "affects": "takings"},
    )
    def sold_once() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            passed="sold_once" not in failing,
            description="4 loaves are sold twice.",
            metadata={"failing_rows": 4, "rows_checked": 200, "remedy": "Look at the till's roll."},
        )

    @dg.asset_check(
        asset=loaves, description="No loaf is burnt.", metadata={"severity": "WARN", "owner": "baker@example.com"}
    )
    def not_burnt() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            passed="not_burnt" not in failing,
            severity=dg.AssetCheckSeverity.WARN,
            description="2 loaves are burnt.",
            metadata={"failing_rows": 2, "rows_checked": 90},
        )

    return dg.Definitions(
        assets=[loaves, sales, takings],
        asset_checks=[sold_once, not_burnt],
        jobs=[dg.define_asset_job("bake", selection=dg.AssetSelection.all())],
        executor=dg.in_process_executor,
    )


def project_of(home: Path, slack: FakeSlack) -> Project:
    """All that the bakery writes to have alerts."""
    return Project(
        name="Bakery",
        settings_prefix="BAKERY_",
        home=home,
        ledger_url=f"sqlite:///{home / 'alerts.sqlite'}",
        preview=home / "alerts.html",
        slack_channel="#bakery",
        slack_token=slack.token,
        slack_api_url=slack.url,
        ui_url="http://bakery.example",
        groups=("oven", "counter"),
        marts={"counter"},
        daily_job="bake",
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def bake(instance: dg.DagsterInstance, *failing: str) -> None:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    bakery(*failing).resolve_job_def("bake").execute_in_process(
        instance=instance, raise_on_error=False, run_config=quiet
    )


def test_another_project_has_alerts_for_one_dataclass(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = bakery().get_repository_def()
    with FakeSlack() as slack:
        slack.add_channel("bakery")
        project = project_of(home, slack)
        with alerting(project, instance, repository) as alerts:
            alerts.begin()
            bake(instance, "sold_once", "not_burnt")
            assert alerts.notify().endswith("messages sent to Slack (#bakery), 0 wait")
        (group, digest), details = slack.messages("bakery"), slack.thread("bakery", slack.messages("bakery")[0].ts)
        assert "1 ERROR, 1 warning" in group.text
        assert "Takings are not there yet." in str(group.blocks)
        assert "4 loaves are sold twice" in str([each.blocks for each in details])
        assert "2 loaves are burnt" in str([each.blocks for each in details])
        assert "State of the data" in digest.text
        assert "counter" in str(digest.blocks)

        bake(instance)
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        resource = PatientSlackResource(token=slack.token, base_url=slack.url)
        skipped = tick(context, project, resource)
        assert "1 ended runs read" in str(skipped.skip_message)
        assert slack.messages("bakery")[0].text.startswith(":white_check_mark:")

        @contextmanager
        def opened() -> Iterator[tuple[Project, dg.RepositoryDefinition]]:
            yield project, repository

        monkeypatch.setenv("DAGSTER_HOME", str(home))
        shown = CliRunner().invoke(app, ["status"], obj=opened)
        assert "No incident is open." in shown.output
        tried = CliRunner().invoke(app, ["test"], obj=opened)
        assert "#bakery: a test message was posted and found again." in tried.output
        slack.channels["bakery"].is_archived = True
        refused = CliRunner().invoke(app, ["test"], obj=opened)
        assert "name another one (BAKERY_SLACK_CHANNEL, or the alerts file)" in " ".join(refused.output.split())
        said = [*map(str, slack.requests), *(f"{each.text} {each.blocks}" for each in slack.all_messages())]
    # The first line has the workspace's own name.
    said += [shown.output, *tried.output.splitlines()[1:], *refused.output.splitlines()[1:]]
    assert [text for text in said if re.search("greenery|repeat rate|conversion|marketing", text, re.IGNORECASE)] == []


def test_another_project_without_slack_reads_its_own_name_on_the_page(home: Path, instance: dg.DagsterInstance) -> None:
    with FakeSlack() as slack:
        project = replace(project_of(home, slack), slack_token=None)
    with alerting(project, instance, bakery().get_repository_def()) as alerts:
        alerts.begin()
        bake(instance, "not_burnt")
        assert alerts.notify() == f"{home / 'alerts.html'} and {home / 'alerts.log'}, as BAKERY_SLACK_TOKEN is not set"
    page = project.preview.read_text()
    assert "Bakery data alerts" in page
    assert "2 loaves are burnt" in page
    assert "greenery" not in page.lower()
