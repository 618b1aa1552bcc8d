"""A run that takes three times its usual time: reported once while it goes on, and again when it has ended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.silence import Silence
from tests.alerts.builders import JOB
from tests.alerts.recorded import begin_run, end_run, record_run
from tests.alerts.shop import Shop, transport_to
from tests.slack.fake import FakeSlack, links

CHANNEL = "data-alerts"
USUAL = timedelta(minutes=12)


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def history(shop: Shop, now: datetime, *minutes: float, **tags: str) -> None:
    """Good runs of before, of so many minutes each."""
    for n, each in enumerate(minutes):
        record_run(shop, ended_at=now - timedelta(days=n + 1), took=timedelta(minutes=each), **tags)


def told(slack: FakeSlack) -> list[str]:
    """The headlines in the channel about the daily run being slow."""
    headlines = [posted.text.splitlines()[0] for posted in slack.messages(CHANNEL)]
    return [line for line in headlines if "usually takes" in line]


def test_a_slow_run_is_reported_once_while_it_goes_on_and_resolved_when_it_ends(
    shop: Shop, alerts: Alerts, slack: FakeSlack, now: datetime
) -> None:
    history(shop, now, 12, 11, 300, 12, 13)
    run_id = begin_run(shop, now - timedelta(minutes=35))
    alerts.run_pass()
    assert told(slack) == []
    shop.instance.delete_run(run_id)
    run_id = begin_run(shop, now - timedelta(minutes=37))
    # As after restarts: each pass is of another process.
    for _ in range(2):
        shop.alerts(transport_to(slack)).run_pass()
    assert told(slack) == [":warning: Warning: the daily run goes on for 37 min; it usually takes 12 min"]
    (posted,) = slack.messages(CHANNEL)
    assert f"/runs/{run_id}" in str(links(posted))
    assert "terminate" in posted.text

    end_run(shop, run_id, now + timedelta(minutes=3), dg.DagsterRunStatus.FAILURE)
    for _ in range(2):
        alerts.run_pass()
    assert told(slack) == [":white_check_mark: Resolved: the daily run has ended after 40 min; it usually takes 12 min"]
    (reply,) = slack.thread(CHANNEL, posted.ts)
    assert reply.text == ":white_check_mark: It has ended after 40 min."


@pytest.mark.parametrize("minutes", [(600, 12, 12), (9, 1, 1, 1), (600,)], ids=["few runs", "few minutes", "no run"])
def test_what_is_usual_must_be_known_and_some_minutes_are_no_news(
    shop: Shop, alerts: Alerts, slack: FakeSlack, now: datetime, minutes: tuple[float, ...]
) -> None:
    history(shop, now, *minutes[1:])
    begin_run(shop, now - timedelta(minutes=minutes[0]))
    alerts.run_pass()
    assert told(slack) == []


def test_only_good_runs_of_the_same_kind_count_and_one_that_has_no_kind_yet_is_like_any(
    shop: Shop, alerts: Alerts, slack: FakeSlack, now: datetime
) -> None:
    alerts = replace(
        alerts, catalogue=replace(alerts.catalogue, project=replace(shop.project, kind_tags=("checks", "full")))
    )
    history(shop, now, 12, 12, 12, 12, checks="of days")
    history(shop, now, 90, 90, checks="all", full="asked for")
    for n in range(5):
        failed = begin_run(shop, now - timedelta(days=n, hours=1), checks="of days")
        end_run(shop, failed, now - timedelta(days=n), dg.DagsterRunStatus.FAILURE)
    full = begin_run(shop, now - timedelta(minutes=100), checks="all", full="asked for")
    alerts.run_pass()
    assert told(slack) == []
    shop.instance.delete_run(full)
    begin_run(shop, now - timedelta(minutes=40))
    alerts.run_pass()
    assert told(slack) == [":warning: Warning: the daily run goes on for 40 min; it usually takes 12 min"]
    begin_run(shop, now - timedelta(minutes=50), checks="of days")
    alerts.run_pass()
    assert len(told(slack)) == 2


def test_runs_of_chosen_assets_and_silenced_jobs_are_not_reported(
    shop: Shop, alerts: Alerts, slack: FakeSlack, now: datetime
) -> None:
    history(shop, now, 12, 12, 12)
    run = dg.DagsterRun(
        job_name=JOB, status=dg.DagsterRunStatus.STARTED, asset_selection=frozenset({dg.AssetKey(["raw", "orders"])})
    )
    shop.instance.add_run(run)
    alerts.silence(Silence("*", "*", "maintenance", now + timedelta(days=1)))
    begin_run(shop, now - timedelta(hours=2))
    alerts.run_pass()
    assert told(slack) == []
    alerts.silence(Silence("*", "*", "maintenance", now - timedelta(days=1)))
    alerts.run_pass()
    assert len(told(slack)) == 1
