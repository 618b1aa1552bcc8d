"""Runs on an instance that tries failed ones again, as the project's own does: only what is left to stand is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from rich.console import Console

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.dbt.project import WAREHOUSE_POOL
from greenery_assets.run import _make_way
from tests.alerts.builders import JOB
from tests.alerts.shop import Shop, shop_in
from tests.job import ROOT
from tests.slack.fake import FakeSlack

CHANNEL = "data-alerts"
WILL_RETRY_TAG = "dagster/will_retry"

FAILED = ":octagonal_sign: ERROR: a run of daily_job failed"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop with the retries that the project ships with."""
    retries = yaml.safe_load((ROOT / "dagster_home" / "dagster.yaml").read_text())["run_retries"]
    with shop_in(tmp_path, run_retries=retries) as shop:
        assert shop.instance.run_retries_enabled
        yield shop


def started(shop: Shop, first: dg.DagsterRun | None = None) -> dg.DagsterRun:
    """A run whose process will die, or another attempt of one."""
    root = first.run_id if first else None
    return shop.instance.create_run_for_job(
        shop.definitions().resolve_job_def(JOB),
        status=dg.DagsterRunStatus.STARTED,
        parent_run_id=root,
        root_run_id=root,
        # By which Dagster finds the attempts before.
        tags={"dagster/root_run_id": root, "dagster/parent_run_id": root} if root else {},
    )


def told(alerts: Alerts, slack: FakeSlack) -> list[str]:
    """The headlines of the channel after a pass."""
    alerts.run_pass()
    return [posted.text.splitlines()[0] for posted in slack.messages(CHANNEL)]


def test_a_dead_run_is_told_only_when_no_other_attempt_follows(shop: Shop, alerts: Alerts, slack: FakeSlack) -> None:
    first = started(shop)
    shop.instance.report_run_failed(first)
    assert told(alerts, slack) == []
    shop.instance.report_run_failed(started(shop, first))
    assert told(alerts, slack) == []
    shop.instance.report_run_failed(started(shop, first))
    assert told(alerts, slack) == [
        f"{FAILED}: the run did not come to its end: its process was killed, or could not start"
    ]


def test_a_run_that_failed_by_itself_is_not_tried_again_and_told_at_once(
    shop: Shop, alerts: Alerts, slack: FakeSlack
) -> None:
    shop.run(breaks="raw/orders")
    assert told(alerts, slack) == [f"{FAILED}: the step raw__orders failed: ValueError"]


@pytest.mark.parametrize(("will_retry", "number"), [("true", 0), ("false", 1)])
def test_a_failed_run_is_read_when_dagster_has_noted_whether_it_tries_again(
    shop: Shop, alerts: Alerts, slack: FakeSlack, will_retry: str, number: int
) -> None:
    run = fails_before_it_is_noted(shop)
    assert alerts.read_news(datetime.now(UTC)) == 0
    shop.instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: will_retry})
    assert len(told(alerts, slack)) == number


def test_nobody_waits_for_that_note_for_ever(shop: Shop, alerts: Alerts) -> None:
    fails_before_it_is_noted(shop)
    assert alerts.read_news(datetime.now(UTC)) == 0
    assert alerts.read_news(datetime.now(UTC) + timedelta(seconds=11)) == 1


def test_a_clock_that_was_ahead_when_a_run_failed_holds_nothing_up(shop: Shop, alerts: Alerts) -> None:
    fails_before_it_is_noted(shop)
    assert alerts.read_news(datetime.now(UTC) - timedelta(days=2)) == 1


def fails_before_it_is_noted(shop: Shop) -> dg.DagsterRun:
    """A run whose end is in Dagster's log already, a moment before the note about another attempt."""
    run = started(shop)
    event = dg.DagsterEvent(dg.DagsterEventType.RUN_FAILURE.value, job_name=JOB)
    entry = dg.EventLogEntry(
        None, "info", "", run.run_id, datetime.now(UTC).timestamp(), job_name=JOB, dagster_event=event
    )
    shop.instance.event_log_storage.store_event(entry)
    shop.instance.run_storage.handle_run_event(run.run_id, event, datetime.now(UTC))
    return run


def test_a_killed_make_run_that_the_next_makes_way_for_is_told(shop: Shop, alerts: Alerts, slack: FakeSlack) -> None:
    storage, run = shop.instance.event_log_storage, started(shop)
    storage.set_concurrency_slots(WAREHOUSE_POOL, 1)
    storage.claim_concurrency_slot(WAREHOUSE_POOL, run.run_id, "a_step")
    _make_way(shop.instance, Console(quiet=True))
    assert not storage.get_concurrency_info(WAREHOUSE_POOL).active_run_ids
    assert told(alerts, slack) == [
        f"{FAILED}: the run did not come to its end: its process was killed, or could not start"
    ]
    shop.run()
    assert told(alerts, slack)[0].startswith(":white_check_mark: Resolved")
