"""One tick of the sensor as the definitions have it, with its resources."""

from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from greenery_assets.alerts.sensors import PatientSlackResource
from tests.job import Home
from tests.slack.fake import FakeSlack


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home.new(tmp_path)
    for name, value in home.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GREENERY_SLACK_TOKEN", raising=False)
    return home


def tick(**resources: dg.ConfigurableResource) -> str:
    """Evaluate the sensor as the daemon has it done, with its own resources or others; returns what it says."""
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    repository = defs.get_repository_def()
    with (
        dg.DagsterInstance.get() as instance,
        dg.build_sensor_context(
            instance=instance,
            repository_def=repository,
            resources={**repository.get_top_level_resources(), **resources},
        ) as context,
    ):
        return repository.get_sensor_def("failed_checks_sensor").evaluate_tick(context).skip_message or ""


def test_without_a_token_it_ticks_and_draws_the_page(home: Home) -> None:
    assert tick() == "0 ended runs read, 0 messages sent, 0 wait."
    assert (home.dagster_home.parent / "report" / "alerts.html").exists()


def test_with_a_token_it_talks_to_slack_only_when_there_is_something_to_say(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeSlack() as slack:
        monkeypatch.setenv("GREENERY_SLACK_TOKEN", slack.token)
        # As the definitions have it where a token was set when they were loaded.
        resource = PatientSlackResource(token=dg.EnvVar("GREENERY_SLACK_TOKEN"), base_url=slack.url)
        assert tick(slack=resource) == "0 ended runs read, 0 messages sent, 0 wait."
        assert slack.requests == []
    assert not (home.dagster_home.parent / "report").exists()


def test_beside_another_pass_it_leaves_the_work_to_that_one(home: Home) -> None:
    with FileLock(home.dagster_home / "alerts.lock"):
        assert "Another process is at work" in tick()
