"""The first pass, the day's digest, and what is read anew when the ledger is lost."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import dagster as dg
import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.ledger import FIRST_PASS
from greenery_assets.alerts.silence import Silence
from tests.alerts.builders import JOB
from tests.alerts.recorded import record_run
from tests.alerts.shop import ROUTING, Shop, transport_to
from tests.slack.fake import FakeSlack

CHANNEL, DAILY = "data-alerts", "data-daily"


def texts(slack: FakeSlack, channel: str = CHANNEL) -> list[str]:
    return [posted.text for posted in slack.messages(channel)]


def test_the_first_pass_on_a_year_of_history_gives_one_summary(shop: Shop, slack: FakeSlack) -> None:
    now = datetime.now(UTC)
    for days in range(365, 0, -14):
        record_run(shop, "orders=f1 staged=F2 users=?" if days > 100 else "orders=f1", now - timedelta(days=days))
    alerts = shop.alerts(transport_to(slack))
    report = alerts.run_pass()
    assert report.runs == 0
    (summary,) = texts(slack)
    assert "Alerts start here" in summary
    assert "The check orders holds" in summary
    assert "staged" not in summary
    assert texts(slack, DAILY) == []

    record_run(shop)
    assert alerts.run_pass().runs == 1
    assert len(texts(slack)) == 1
    assert texts(slack)[0].startswith(":white_check_mark:")


def test_the_first_pass_tells_what_failed_in_an_earlier_run_than_the_last(shop: Shop, slack: FakeSlack) -> None:
    record_run(shop, "users=f4")
    shop.run(job="raw_orders")
    shop.alerts(transport_to(slack)).run_pass()
    (summary,) = texts(slack)
    assert "The check users holds" in summary


def test_the_first_pass_knows_what_failed_though_a_run_is_under_way(shop: Shop, slack: FakeSlack) -> None:
    record_run(shop, "users=f4")
    record_run(shop, "users=?")
    shop.alerts(transport_to(slack)).run_pass()
    (summary,) = texts(slack)
    assert "The check users holds" in summary


def test_the_first_pass_tells_of_a_run_that_failed_without_a_failing_check(shop: Shop, slack: FakeSlack) -> None:
    shop.run(breaks="raw/orders")
    shop.run(job="raw_events")
    alerts = shop.alerts(transport_to(slack))
    alerts.run_pass()
    (summary,) = texts(slack)
    assert summary.startswith(":octagonal_sign: 1 ERROR. Worst: a run of ")
    assert "*Alerts start here. This is wrong now,*" in summary
    assert (
        "ERROR: a run of daily_job failed: the step raw__orders failed: ValueError. Marketing and product figures are"
        in summary
    )
    assert "No check" not in summary

    shop.run()
    alerts.run_pass()
    assert texts(slack)[0].startswith(":white_check_mark: The problem is resolved")


@pytest.mark.parametrize("job", [JOB, "another_job"])
def test_the_first_pass_does_not_tell_of_a_failed_run_that_was_made_good(
    shop: Shop, slack: FakeSlack, job: str
) -> None:
    shop.run(breaks="raw/orders")
    shop.run(job=job)
    shop.alerts(transport_to(slack)).run_pass()
    assert "No check fails" in texts(slack)[0]


def test_the_first_pass_tells_what_a_failed_run_left_that_no_other_made_good(shop: Shop, slack: FakeSlack) -> None:
    shop.run(breaks="raw/orders")
    for job in ("raw_orders", "staging_orders", "marketing_users"):
        shop.run(job=job)
    shop.alerts(transport_to(slack)).run_pass()
    (summary,) = texts(slack)
    assert "the step raw__orders failed: ValueError; 1 table frozen" in summary


def test_the_first_pass_tells_of_a_run_that_a_check_stopped_by_that_check(shop: Shop, slack: FakeSlack) -> None:
    shop.run("staged=F3")
    shop.alerts(transport_to(slack)).run_pass()
    (summary,) = texts(slack)
    assert ":octagonal_sign: 1 ERROR. Worst: " in summary
    assert "Every run" not in summary


def test_the_first_pass_says_nothing_is_wrong_only_where_nothing_is(shop: Shop, slack: FakeSlack) -> None:
    slack.add_channel("marketing")
    record_run(shop, "users=f4")
    shop.alerts(transport_to(slack), replace(ROUTING, by_mart={"marketing": "#marketing"})).run_pass()
    assert texts(slack) == []
    assert len(texts(slack, "marketing")) == 1


def test_the_first_pass_on_nothing_says_nothing(shop: Shop, slack: FakeSlack) -> None:
    shop.alerts(transport_to(slack)).run_pass()
    assert slack.all_messages() == []


def test_a_lost_ledger_costs_one_summary(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    record_run(shop, "orders=f1")
    alerts.run_pass()
    alerts.ledger.close()
    for file in shop.home.glob("alerts.sqlite*"):
        file.unlink()
    again = shop.alerts(transport_to(slack))
    again.run_pass()
    again.run_pass()
    assert len(texts(slack)) == 2
    assert "Alerts start here" in texts(slack)[1]


def test_the_digest_comes_with_the_days_run_and_is_edited_by_later_ones(
    shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    record_run(shop, "orders=f1")
    alerts.run_pass()
    (digest,) = slack.messages(DAILY)
    assert ": 1 warning.*" in digest.text
    alerts.run_pass()
    assert slack.messages(DAILY)[0].edits == 0

    record_run(shop)
    alerts.run_pass()
    (digest,) = slack.messages(DAILY)
    assert "All 5 checks hold" in digest.text
    assert digest.edits == 1


@pytest.fixture
def at() -> Callable[[int, int], datetime]:
    """A time of tomorrow, in UTC: alerts began today, when nobody expected a run."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    return lambda hour, minute: datetime.combine(tomorrow, time(hour, minute), UTC)


def test_the_digest_says_that_the_daily_run_did_not_finish_in_time(
    shop: Shop, slack: FakeSlack, alerts: Alerts, at: Callable[[int, int], datetime]
) -> None:
    for moment, number in ((at(6, 59), 0), (at(7, 0), 1), (at(7, 30), 1)):
        alerts.mind_the_time(moment)
        alerts.deliver()
        assert len(slack.messages(DAILY)) == number
    assert "did not finish by 07:00 UTC" in slack.messages(DAILY)[0].text

    record_run(shop, ended_at=at(8, 0))
    alerts.read_news(at(8, 1))
    alerts.mind_the_time(at(8, 1))
    alerts.deliver()
    (digest,) = slack.messages(DAILY)
    assert "did not finish" not in digest.text
    assert "All 5 checks hold" in digest.text


@pytest.mark.parametrize(("status", "says"), [("CANCELED", "failed"), ("FAILURE", "failed")])
def test_the_digest_does_not_take_a_run_that_broke_off_for_a_finished_one(
    shop: Shop, slack: FakeSlack, alerts: Alerts, status: str, says: str
) -> None:
    if status == "CANCELED":
        job = shop.definitions().resolve_job_def(JOB)
        run = shop.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        shop.instance.report_run_canceled(run)
    else:
        shop.run(breaks="raw/orders")
    alerts.run_pass()
    (digest,) = texts(slack, DAILY)
    assert f"daily run {says}" in digest
    assert "finished" not in digest
    record_run(shop)
    alerts.run_pass()
    (digest,) = texts(slack, DAILY)
    assert "daily run failed" not in digest


def test_the_digest_still_says_that_the_run_was_late_once_it_is_there(
    shop: Shop, slack: FakeSlack, alerts: Alerts, at: Callable[[int, int], datetime]
) -> None:
    record_run(shop, ended_at=at(8, 0))
    alerts.read_news(at(8, 1))
    alerts.mind_the_time(at(8, 1))
    alerts.deliver()
    (digest,) = texts(slack, DAILY)
    assert "later than" in digest
    assert "08:00" in digest


def test_a_run_across_midnight_counts_for_the_day_it_ended(
    shop: Shop, slack: FakeSlack, alerts: Alerts, at: Callable[[int, int], datetime]
) -> None:
    record_run(shop, ended_at=at(0, 10), took=timedelta(minutes=20))
    alerts.read_news(at(0, 11))
    alerts.mind_the_time(at(7, 30))
    alerts.deliver()
    (digest,) = texts(slack, DAILY)
    assert "did not finish" not in digest


def test_nobody_waits_for_a_run_on_the_day_alerts_began(slack: FakeSlack, alerts: Alerts) -> None:
    alerts.mind_the_time(datetime.combine(datetime.now(UTC).date(), time(23, 59), UTC))
    alerts.deliver()
    assert slack.all_messages() == []


def test_each_day_has_a_digest_of_its_own(
    shop: Shop, slack: FakeSlack, alerts: Alerts, at: Callable[[int, int], datetime]
) -> None:
    record_run(shop)
    alerts.run_pass()
    record_run(shop, ended_at=at(6, 5))
    alerts.read_news(at(6, 6))
    alerts.mind_the_time(at(6, 6))
    alerts.deliver()
    assert len(slack.messages(DAILY)) == 2


def test_a_silenced_incident_is_named_in_the_digest_with_its_reason(shop: Shop, slack: FakeSlack) -> None:
    silence = Silence("raw/*", "*", "The export is being moved.", datetime.now(UTC) + timedelta(days=9))
    alerts = shop.alerts(transport_to(slack), replace(ROUTING, silences=(silence,)))
    alerts.begin()
    record_run(shop, "orders=f1")
    alerts.run_pass()
    (digest,) = slack.messages(DAILY)
    assert "The export is being moved." in str(digest.blocks)
    assert slack.messages(CHANNEL) == []


def test_a_run_of_a_clock_that_was_ahead_does_not_count_as_the_run_of_a_day(
    shop: Shop, slack: FakeSlack, alerts: Alerts, at: Callable[[int, int], datetime]
) -> None:
    record_run(shop, ended_at=at(6, 5) + timedelta(days=2))
    alerts.read_news(at(6, 6))
    alerts.mind_the_time(at(7, 30))
    alerts.deliver()
    (digest,) = texts(slack, DAILY)
    assert "The daily run did not finish by 07:00 UTC" in digest


def test_a_first_day_that_lies_ahead_is_no_excuse_for_that_day(
    slack: FakeSlack, alerts: Alerts, at: Callable[[int, int], datetime]
) -> None:
    with alerts.ledger.transaction() as book:
        book.set_progress(FIRST_PASS, at(0, 1).isoformat())
    alerts.run_pass()
    alerts.mind_the_time(at(7, 30))
    alerts.deliver()
    (digest,) = texts(slack, DAILY)
    assert "did not finish by" in digest
