"""An instance that is shared with another project: only this project's runs are read, reported and waited for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from greenery_assets.alerts.dispatch import Alerts, replayed
from greenery_assets.alerts.incidents import AD_HOC_JOB, Subject
from greenery_assets.alerts.ledger import READ_TO
from tests.alerts.builders import JOB, Story
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop, transport_to
from tests.slack.fake import FakeSlack


@dg.asset(key=["their", "orders"])
def their_orders() -> None:
    raise ValueError("Not our business.")


@dg.op
def their_op() -> None:
    raise ValueError("Not our business.")


@dg.job(name="their_job")
def their_job() -> None:
    their_op()


@dg.job(name=JOB)
def their_daily_job() -> None:
    their_op()


def runs_of_theirs(instance: dg.DagsterInstance) -> Iterator[str]:
    """Failed runs of every kind that another project may have, with names like ours."""
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    named = dg.Definitions(assets=[their_orders], jobs=[dg.define_asset_job(JOB, selection="*")])
    jobs = [their_job, their_daily_job, named.resolve_job_def(JOB), named.resolve_implicit_global_asset_job_def()]
    for job in jobs:
        selection = [their_orders.key] if job.name == AD_HOC_JOB else None
        yield job.execute_in_process(
            instance=instance, raise_on_error=False, run_config=quiet, asset_selection=selection
        ).run_id


def test_runs_of_another_project_are_neither_reported_nor_taken_for_the_daily_run(
    shop: Shop, alerts: Alerts, slack: FakeSlack
) -> None:
    tomorrow = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(7, 30), UTC)
    assert len(list(runs_of_theirs(shop.instance))) == 4
    assert alerts.run_pass().runs == 0
    assert slack.all_messages() == []
    with alerts.ledger.transaction() as book:
        # They are read past: more of them than one query gives would block the way otherwise.
        assert int(book.progress(READ_TO) or 0) > 0
        assert book.runs_of(JOB, tomorrow - timedelta(days=2), tomorrow) == []
    alerts.mind_the_time(tomorrow)
    alerts.deliver()
    (digest,) = slack.messages("data-daily")
    assert "The daily run did not finish by 07:00 UTC" in digest.text
    assert [*replayed(alerts, datetime.now(UTC) - timedelta(days=1))] == []

    shop.run(breaks="raw/orders")
    assert alerts.run_pass().runs == 1
    assert len(slack.messages("data-alerts")) == 1


def test_the_first_pass_does_not_report_another_projects_runs_but_ours_before_them(
    shop: Shop, slack: FakeSlack
) -> None:
    shop.run(breaks="raw/orders")
    assert list(runs_of_theirs(shop.instance))
    shop.alerts(transport_to(slack)).run_pass()
    (summary,) = slack.messages("data-alerts")
    assert "the step raw__orders failed" in summary.text
    assert summary.text.startswith(":octagonal_sign: 1 ERROR. Worst: a run of daily_job failed")


@pytest.mark.parametrize(("location", "number"), [("ours", 1), ("theirs", 0)])
def test_a_launched_run_belongs_to_the_code_location_that_it_names(
    shop: Shop, alerts: Alerts, slack: FakeSlack, location: str, number: int
) -> None:
    # Even where job and assets have the names of ours.
    alerts.catalogue = replace(alerts.catalogue, location="ours")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), JOB)
    run = dg.DagsterRun(JOB, str(uuid4()), status=dg.DagsterRunStatus.STARTED, remote_job_origin=origin)
    shop.instance.add_run(run)
    shop.instance.report_run_failed(run)
    assert alerts.run_pass().runs == number
    assert len(slack.messages("data-alerts")) == number


@pytest.mark.parametrize(("asset", "number"), [("raw/orders", 1), ("their/orders", 0)])
@pytest.mark.parametrize("told_by", ["selection", "plan"])
def test_a_run_of_before_the_code_location_was_renamed_is_told_by_its_assets(
    shop: Shop, alerts: Alerts, asset: str, number: int, told_by: str
) -> None:
    key = dg.AssetKey.from_user_string(asset)
    alerts.catalogue = replace(alerts.catalogue, location="new_name")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("old_name"), "__repository__"), JOB)
    run = dg.DagsterRun(
        JOB,
        str(uuid4()),
        status=dg.DagsterRunStatus.STARTED,
        remote_job_origin=origin,
        asset_selection=frozenset({key}) if told_by == "selection" else None,
    )
    shop.instance.add_run(run)
    if told_by == "plan":
        planned = dg.DagsterEvent(
            dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
            job_name=JOB,
            event_specific_data=AssetMaterializationPlannedData(key),
        )
        shop.instance.report_dagster_event(planned, run.run_id)
    shop.instance.report_run_failed(run)
    assert alerts.run_pass().runs == number


def test_an_incident_of_a_job_that_is_not_of_this_project_is_closed(shop: Shop, alerts: Alerts) -> None:
    # Earlier versions reported the runs of any project.
    story = Story()
    story.see(status="FAILURE", job="their_job")
    with alerts.ledger.transaction() as book:
        book.save({}, story.state)
    record_run(shop)
    alerts.run_pass()
    with alerts.ledger.transaction() as book:
        assert book.open_incidents() == {}
        closed = book.state()[Subject("", "their_job")].incident
    assert closed
    assert not closed.is_open
