"""How checks, marts and runs stand, read from real Dagster storage and a real ledger, whoever has read what already."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.report.facts import CheckFacts, ReportFacts, Standing
from greenery_assets.report.state import RUNS_SHOWN, read_facts
from tests.alerts.builders import JOB
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop, transport_to
from tests.slack.fake import FakeSlack

Read = Callable[[], ReportFacts]


@pytest.fixture
def read(shop: Shop) -> Read:
    """The facts as a report would have them now."""
    return lambda: read_facts(shop.instance, shop.catalogue, datetime.now(UTC))


def named(facts: ReportFacts, name: str) -> CheckFacts:
    return next(check for check in facts.checks if check.subject.name == name)


def strips(facts: ReportFacts) -> dict[str, str]:
    """The past of each check in letters: passed, warned, failed, unknown."""
    return {check.subject.name: "".join(run.standing.value[0] for run in check.past) for check in facts.checks}


def test_before_any_run_nothing_is_claimed(read: Read) -> None:
    facts = read()
    assert facts.run is None
    assert {check.standing for check in facts.checks} == {Standing.UNKNOWN}
    assert set(facts.built_at.values()) == {None}
    assert {source.loaded_at for source in facts.sources} == {None}


def test_a_run_that_nobody_has_read_yet_is_told_from_dagsters_own_log(shop: Shop, read: Read) -> None:
    shop.run("orders=F3 events=f2")
    facts = read()
    assert strips(facts) == {"orders": "f", "events": "w", "staged": "u", "daily": "u", "users": "u"}
    orders = named(facts, "orders")
    assert (orders.failing_rows, orders.rows_checked, orders.kept_in) == (3, 1000, "quality.rows")
    assert facts.failing_rows == {"raw": 5, "staging": 0, "marketing": 0, "product": 0}
    assert facts.run
    assert facts.run.how_it_ended == "failed"
    assert facts.run.problem == ""
    assert set(facts.stale) == {"marketing/users", "product/daily"}


@pytest.mark.parametrize("is_read_by_alerts", [True, False])
def test_the_past_and_the_beginning_of_a_failure_are_the_same_whoever_has_read_the_runs(
    shop: Shop, read: Read, slack: FakeSlack, is_read_by_alerts: bool
) -> None:
    alerts: Alerts = shop.alerts(transport_to(slack))
    alerts.begin()
    ended = []
    for found in ("orders=f1", "orders=f2 events=f1", "", "events=f1", "orders=f3 events=F2"):
        shop.run(found)
        ended.append(shop.ended_at)
        if is_read_by_alerts:
            alerts.run_pass()
    facts = read()
    # Of these two only the day's figures are made from events.
    expected = {"orders": "wwppw", "events": "pwpwf", "staged": "ppppp", "users": "ppppp", "daily": "ppppu"}
    assert strips(facts) == expected
    assert named(facts, "orders").since == ended[4]
    assert named(facts, "events").since == ended[3]
    assert named(facts, "staged").since is None
    assert (named(facts, "orders").failing_rows, named(facts, "orders").reason) == (3, "3 rows.")


def test_a_ledger_that_began_after_the_daily_run_knows_of_no_check_but_those_of_runs_since(
    shop: Shop, read: Read, slack: FakeSlack
) -> None:
    shop.run("staged=f4")
    shop.run("staged=P", job="staging_orders")
    alerts = shop.alerts(transport_to(slack))
    alerts.begin()
    shop.run("orders=F1", job="raw_orders")
    alerts.run_pass()
    facts = read()
    assert named(facts, "orders").standing == Standing.FAILED
    assert named(facts, "staged").standing == Standing.PASSED
    assert named(facts, "events").standing == Standing.PASSED


def test_what_a_run_did_not_evaluate_is_unknown_though_it_passed_before(shop: Shop, read: Read) -> None:
    shop.run()
    shop.run("orders=F1")
    users = named(read(), "users")
    assert users.standing == Standing.UNKNOWN
    assert users.past[-1].standing == Standing.UNKNOWN


def test_a_run_of_a_part_changes_only_what_it_was_about(shop: Shop, read: Read) -> None:
    shop.run("orders=f1 events=f2")
    shop.run("orders=P", job="raw_orders")
    facts = read()
    assert named(facts, "orders").standing == Standing.PASSED
    assert named(facts, "events").standing == Standing.WARNED


def test_a_run_under_a_clock_that_was_set_back_is_the_newest(shop: Shop, read: Read) -> None:
    shop.run()
    record_run(shop, "orders=f3 staged=?", ended_at=datetime.now(UTC) - timedelta(days=1_000))
    facts = read()
    assert strips(facts) == {"orders": "w", "events": "p", "staged": "pu", "daily": "p", "users": "p"}
    assert named(facts, "orders").failing_rows == 3
    # That run planned nothing, and built nothing: what is there is from the run before.
    assert set(facts.stale) == {"marketing/users", "product/daily"}
    assert set(facts.not_built) > {"marketing/users", "product/daily"}


def test_a_run_that_goes_on_makes_nothing_old_unless_the_page_is_its_last_step(shop: Shop) -> None:
    shop.run()
    going_on = shop.instance.create_run_for_job(
        shop.definitions().resolve_job_def(JOB), status=dg.DagsterRunStatus.STARTED
    ).run_id
    beside = read_facts(shop.instance, shop.catalogue, datetime.now(UTC))
    within = read_facts(shop.instance, shop.catalogue, datetime.now(UTC), going_on)
    assert beside.run
    assert within.run
    assert (beside.run.run_id == going_on, within.run.run_id == going_on) == (False, True)
    assert beside.stale == {}
    assert set(within.stale) == {"marketing/users", "product/daily"}


def test_a_run_that_failed_without_a_check_says_why_in_words_without_data(shop: Shop, read: Read) -> None:
    shop.run(breaks="raw/orders")
    facts = read()
    assert facts.run
    assert (facts.run.how_it_ended, facts.run.problem) == ("failed", "The step raw__orders failed: ValueError.")
    assert "alice" not in str(facts)


def test_a_check_that_could_not_be_evaluated_counts_as_failed_and_says_so(shop: Shop, read: Read) -> None:
    shop.run("events=x1")
    events = named(read(), "events")
    assert (events.standing, events.is_errored) == (Standing.FAILED, True)


def test_only_the_last_thirty_runs_are_shown(shop: Shop, read: Read, slack: FakeSlack) -> None:
    alerts = shop.alerts(transport_to(slack))
    alerts.begin()
    for n in range(RUNS_SHOWN + 5):
        record_run(shop, "orders=f1" if n < 5 else "")
    alerts.run_pass()
    assert strips(read())["orders"] == "p" * RUNS_SHOWN


def test_without_its_ledger_the_page_still_knows_the_newest_state_and_says_what_is_missing(shop: Shop) -> None:
    shop.run("orders=f3")
    nowhere = replace(shop.project, ledger_url="sqlite:////nowhere/alerts.sqlite")
    catalogue = replace(shop.catalogue, project=nowhere)
    facts = read_facts(shop.instance, catalogue, datetime.now(UTC))
    assert named(facts, "orders").standing == Standing.WARNED
    assert facts.notice.startswith("Earlier runs are not shown. The alert ledger /nowhere/alerts.sqlite cannot")
