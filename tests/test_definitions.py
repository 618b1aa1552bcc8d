"""The project loads anywhere, holds what others rely on, and any part of it can be run alone."""

import os
import subprocess
import sys
import tomllib
from datetime import time, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml

from greenery_assets.dbt.groups import groups
from tests.job import ROOT, Home, Outcome, copy_of_project

JOB = "daily_job"
KEY_ASSETS = {
    "raw/events", "staging/stg_events", "core/dim_orders", "core/fact_orders", "marketing/fact_user_orders",
    "marketing/fact_repeat_rate", "marketing/fact_repeat_indicators", "product/int_page_views",
    "product/fact_page_views", "product/fact_conversion", "product/fact_funnel", "product/fact_daily",
    "snapshots/orders_snapshot", "snapshots/inventory_snapshot", "core/fact_stockouts", "product/fact_hourly",
}  # fmt: skip


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    return defs


def test_the_fixed_names_are_there(defs: dg.Definitions) -> None:
    assert defs.resolve_job_def(JOB).name == JOB
    schedule = defs.resolve_schedule_def("daily_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 6 * * *", "UTC")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == JOB
    weekly = defs.resolve_schedule_def("weekly_schedule")
    assert (weekly.cron_schedule, weekly.job_name, weekly.default_status) == (
        "0 3 * * 0",
        JOB,
        dg.DefaultScheduleStatus.RUNNING,
    )
    sensor = defs.resolve_sensor_def("failed_checks_sensor")
    assert (sensor.minimum_interval_seconds, sensor.default_status) == (10, dg.DefaultSensorStatus.RUNNING)
    assert {key.to_user_string() for key in defs.resolve_all_asset_keys()} >= KEY_ASSETS


def test_every_job_schedule_and_sensor_is_defined_in_automation(defs: dg.Definitions) -> None:
    from greenery_assets import automation  # noqa: PLC0415  reads the settings

    there = {name for name in vars(automation) if name.endswith(("_job", "_schedule", "_sensor"))}
    assert {each.name for each in (*(defs.jobs or ()), *(defs.schedules or ()), *(defs.sensors or ()))} == there


def test_the_job_covers_every_asset_and_check(defs: dg.Definitions) -> None:
    layer = defs.resolve_job_def(JOB).asset_layer
    graph = defs.resolve_asset_graph()
    assert set(layer.selected_asset_keys) == set(graph.materializable_asset_keys)
    assert set(layer.asset_graph.asset_check_keys) == set(graph.asset_check_keys)


def test_every_asset_explains_itself(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.group_name in groups(), name
        assert spec.owners, name
        # What makes it, and where it is.
        assert len(spec.kinds) == 2, name
        assert spec.kinds & {"python", "dbt"}, name
        layer = {"core": "mart", "marketing": "mart", "product": "mart", "snapshots": "snapshot"}
        assert spec.tags["layer"] == layer.get(spec.key.path[0], spec.key.path[0]), name
        # Messages are made by the sensor, which Dagster knows no code references for.
        assert "dagster/code_references" in spec.metadata or name == "reporting/slack_messages", name
        columns = spec.metadata["dagster/column_schema"]
        assert isinstance(columns, dg.TableSchema | dg.TableSchemaMetadataValue), name


def test_every_asset_is_expected_when_the_daily_run_is(defs: dg.Definitions) -> None:
    policies = {spec.key: spec.freshness_policy for spec in defs.resolve_all_asset_specs()}
    # No run makes the messages.
    assert policies.pop(dg.AssetKey(["reporting", "slack_messages"])) is None
    assert set(policies.values()) == {
        dg.FreshnessPolicy.cron(deadline_cron="0 7 * * *", lower_bound_delta=timedelta(hours=1), timezone="UTC")
    }


@pytest.mark.parametrize(
    ("expected_by", "cron", "hours"),
    [(time(7, 30), "30 7 * * *", 1.5), (time(5), "0 5 * * *", 23), (time(6), "0 6 * * *", 24)],
)
def test_a_run_counts_that_began_since_the_schedule(expected_by: time, cron: str, hours: float) -> None:
    from greenery_assets.automation import freshness  # noqa: PLC0415  reads the settings

    assert freshness(expected_by) == dg.FreshnessPolicy.cron(
        deadline_cron=cron, lower_bound_delta=timedelta(hours=hours), timezone="UTC"
    )


def test_every_check_explains_itself(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert spec.description, key
        assert spec.description[-1] in ".)", key
        for name in ("assumption", "severity", "owner", "why", "remedy"):
            assert spec.metadata[name], (key, name)
        assert spec.blocking is (spec.metadata["severity"] == "ERROR"), key


def test_the_code_location_has_one_name_however_it_is_started() -> None:
    """The alerts know the project's runs by it, and Dagster which schedules somebody switched off."""
    dg_name = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]["code_location_name"]
    [here] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    [server] = yaml.safe_load((ROOT / "deploy" / "workspace.yaml").read_text())["load_from"]
    # Dagster names a location after its module.
    assert here["python_module"] == dg_name == server["grpc_server"]["location_name"]


@pytest.mark.slow
@pytest.mark.slowest
def test_a_clean_copy_loads_in_a_clean_process(tmp_path: Path) -> None:
    project = copy_of_project(tmp_path / "project")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GREENERY_", "DAGSTER_", "DBT_"))}
    # A virtual environment is not always activated: dbt is not on this PATH.
    environment |= {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slowest
def test_an_asset_a_group_and_a_check_can_each_be_run_alone(
    built: tuple[Home, Outcome],
    sample_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    defs: dg.Definitions,
) -> None:
    home = built[0].copy(tmp_path)
    for name, value in home.environment(sample_dir).items():
        monkeypatch.setenv(name, value)
    checks = {key.name: key for key in defs.resolve_asset_graph().asset_check_keys}

    def run(selection: dg.AssetSelection) -> Outcome:
        part = dg.define_asset_job("part", selection=selection)
        merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[part]))
        with dg.DagsterInstance.get() as instance:
            assert merged.resolve_job_def("part").execute_in_process(instance=instance, raise_on_error=False).success
        return home.last_outcome()

    raw = run(dg.AssetSelection.assets("raw/events"))
    assert raw.built == ("raw/events",)
    assert set(raw.checks) == set(raw.planned)
    assert len(raw.checks) == 7

    mart = run(dg.AssetSelection.assets("product/int_page_views"))
    assert mart.built == ("product/int_page_views",)
    assert set(mart.checks) == set(mart.planned) >= {"stop_time_is_later_and_null_only_at_session_end"}

    group = run(dg.AssetSelection.groups("marketing"))
    assert {asset.split("/")[0] for asset in group.built} == {"marketing"}
    assert set(group.checks) == set(group.planned)

    for name in ("order_has_at_most_one_checkout", "events_are_fresh", "repeat_rate_moved_little"):
        alone = run(dg.AssetSelection.checks(checks[name]))
        assert (alone.built, tuple(alone.checks)) == ((), (name,))
