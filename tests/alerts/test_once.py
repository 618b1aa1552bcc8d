"""The alerts around `make run`: where the messages are is said, and what is wrong with them stops no job."""

from pathlib import Path

import pytest
from filelock import FileLock

from greenery_assets.alerts import sensors
from greenery_assets.alerts.sensors import alerting
from greenery_assets.settings import Settings, load_settings, shown
from tests.alerts.projects import project_of
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop
from tests.slack.fake import FakeSlack


@pytest.fixture
def settings(shop: Shop, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in {
        "DAGSTER_HOME": str(shop.home),
        "GREENERY_WAREHOUSE_PATH": str(shop.home / "greenery.duckdb"),
        "GREENERY_REPORT_DIR": str(shop.home / "report"),
        "GREENERY_SLACK_API_URL": slack.url,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GREENERY_SLACK_TOKEN", raising=False)
    return load_settings()


def told(settings: Settings, shop: Shop) -> str:
    """What is said of a run with a failing check."""
    with alerting(project_of(settings), shop.instance, shop.definitions().get_repository_def(), shown) as alerts:
        alerts.begin()
        record_run(shop, "orders=f1")
        return alerts.notify()


def test_without_a_token_page_and_log_are_named_and_hold_the_messages(settings: Settings, shop: Shop) -> None:
    log = shop.home / "alerts.log"
    where = f"{shown(settings.preview_path)} and {shown(log)}"
    assert told(settings, shop) == f"{where}, as GREENERY_SLACK_TOKEN is not set"
    assert "The check orders holds" in settings.preview_path.read_text()
    assert "#data-alerts :warning: Warning: 1 row not as assumed in orders" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_the_log_of_two_runs_has_each_message_once(settings: Settings, shop: Shop) -> None:
    told(settings, shop)
    told(settings, shop)
    assert (shop.home / "alerts.log").read_text().count("#data-alerts :warning: Warning: 1 row not as") == 1


def test_a_log_that_cannot_be_written_stops_no_job(settings: Settings, shop: Shop) -> None:
    (shop.home / "alerts.log").mkdir()
    said = told(settings, shop)
    assert said.startswith(f"{shown(settings.preview_path)}, as GREENERY_SLACK_TOKEN is not set. ")
    assert "alerts.log cannot be written (Is a directory)" in said


def test_a_page_that_cannot_be_written_is_named_with_the_remedy(settings: Settings, shop: Shop) -> None:
    settings.report_dir.write_text("a file, not a folder")
    assert "alerts.html cannot be written" in told(settings, shop)


@pytest.mark.usefixtures("settings")
def test_with_a_token_it_says_how_many_were_sent_and_what_is_wrong(
    shop: Shop, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", slack.token)
    assert told(load_settings(), shop) == "2 messages sent to Slack (#data-alerts), 0 wait"
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "xoxb-wrong")
    record_run(shop, "orders=f9")
    said = told(load_settings(), shop)
    assert "0 messages sent to Slack" in said
    assert "Slack does not know the token in GREENERY_SLACK_TOKEN" in said
    assert "Slack does not know the token in GREENERY_SLACK_TOKEN" in (shop.home / "alerts.log").read_text()
    assert slack.token not in (shop.home / "alerts.log").read_text()


@pytest.mark.parametrize("ledger", ["nonsense", "sqlite:////nowhere/to/be/found.sqlite"])
def test_a_ledger_that_cannot_be_used_stops_no_job(settings: Settings, shop: Shop, ledger: str) -> None:
    said = told(settings.model_copy(update={"alerts_ledger": ledger}), shop)
    assert said.startswith("NOBODY WAS NOTIFIED. ")
    assert "ledger" in said.lower()


@pytest.mark.parametrize("breaks", ["before the run", "during the run"])
def test_a_ledger_that_cannot_be_used_is_a_problem_and_slack_that_is_away_is_none(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch, breaks: str
) -> None:
    repository = shop.definitions().get_repository_def()
    ledger = shop.home / "alerts.sqlite"
    if breaks == "before the run":
        ledger.write_text("nonsense" * 999)
    with alerting(project_of(settings), shop.instance, repository, shown) as alerts:
        alerts.begin()
        record_run(shop, "orders=f1")
        if breaks == "during the run":
            assert alerts.problem == ""
            for file in shop.home.glob("alerts.sqlite*"):
                file.write_text("nonsense" * 999)
        said = alerts.notify()
    assert "is damaged" in alerts.problem
    assert str(ledger) in alerts.problem
    assert "move it away" in alerts.problem
    assert said == f"NOBODY WAS NOTIFIED. {alerts.problem}"
    for file in shop.home.glob("alerts.sqlite*"):
        file.unlink()
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "xoxb-wrong")
    with alerting(project_of(load_settings()), shop.instance, repository, shown) as alerts:
        alerts.begin()
        record_run(shop, "orders=f1")
        assert "Slack does not know the token" in alerts.notify()
    assert alerts.problem == ""


def test_a_lock_that_cannot_be_written_is_named_with_the_remedy(settings: Settings, shop: Shop) -> None:
    (shop.home / "alerts.lock").mkdir()
    assert "alerts.lock cannot be used (Is a directory). Let this user write it" in told(settings, shop)


def test_another_pass_that_does_not_end_is_not_waited_for_for_ever(
    settings: Settings, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "PATIENCE_S", 0.1)
    with alerting(project_of(settings), shop.instance, shop.definitions().get_repository_def(), shown) as alerts:
        alerts.begin()
        with FileLock(Path(settings.dagster_home) / "alerts.lock"):
            assert "Another process is at work" in alerts.notify()
