"""From ended runs to messages in Slack: each thing once, in its thread, in the right channel."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from filelock import FileLock

from greenery_assets.alerts.dispatch import Alerts, BusyError
from greenery_assets.alerts.incidents import Subject
from greenery_assets.alerts.ledger import READ_TO
from greenery_assets.alerts.silence import Silence
from tests.alerts.builders import JOB
from tests.alerts.recorded import record_run
from tests.alerts.shop import ROUTING, Shop, shop_in, transport_to
from tests.slack.fake import FakeSlack, Posted, links, pings

CHANNEL = "data-alerts"
Step = Callable[..., None]


@pytest.fixture
def step(shop: Shop, alerts: Alerts) -> Step:
    """A run with what is found, then one pass; a run that is executed where it is told how."""

    def run(found: str = "", **how: str) -> None:
        if how:
            shop.run(found, **how)
        else:
            record_run(shop, found)
        report = alerts.run_pass()
        assert (report.runs, report.waiting, report.problems) == (1, 0, [])

    return run


def first_lines(slack: FakeSlack) -> list[str]:
    """The headline of each message in the channel."""
    return [posted.text.splitlines()[0] for posted in slack.messages(CHANNEL)]


def replies(slack: FakeSlack, number: int = 0) -> list[str]:
    """What is said in the thread of a message of the channel."""
    return [posted.text for posted in slack.thread(CHANNEL, slack.messages(CHANNEL)[number].ts)]


def shown(slack: FakeSlack) -> list[str]:
    """What the blocks of the first thread say."""
    return [str(posted.blocks) for posted in slack.thread(CHANNEL, slack.messages(CHANNEL)[0].ts)]


def test_a_failing_check_is_told_once_and_resolved_in_its_thread(step: Step, slack: FakeSlack) -> None:
    step("staged=F3", job=JOB)
    assert first_lines(slack) == [":octagonal_sign: ERROR: 3 rows not as assumed in orders: The check staged holds"]
    told = slack.messages(CHANNEL)[0]
    for words in ("The check staged holds. (A01)", "3 of 1,000 rows", "Look at the rows.", "marketing: users"):
        assert words in told.text
    assert "http://localhost:3000/assets/staging/orders?view=checks&amp;checkDetail=staged" in str(links(told))

    step("staged=F3", job=JOB)
    assert (len(slack.messages(CHANNEL)), replies(slack)) == (1, [])

    step(job=JOB)
    assert len(slack.messages(CHANNEL)) == 1
    (resolved,) = replies(slack)
    assert re.match(r":white_check_mark: Resolved after (less than a minute|\d+ min)\.", resolved)
    assert slack.messages(CHANNEL)[0].text.startswith(":white_check_mark: Resolved")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("staged=F312", "staged=F18", "312 → 18 rows"),
        ("staged=f3", "staged=f4", "3 → 4 rows"),
        ("staged=f3", "staged=F3", "ERROR"),
        ("staged=F3", "staged=f3", "warning"),
        ("staged=F3", "staged=X", "Could not be evaluated"),
    ],
)
def test_what_changes_is_told_in_the_thread(step: Step, slack: FakeSlack, before: str, after: str, told: str) -> None:
    step(before)
    step(after)
    assert len(slack.messages(CHANNEL)) == 1
    (reply,) = replies(slack)
    assert told in reply


def test_what_gets_more_severe_is_shown_in_the_channel_and_calls_the_owner(step: Step, slack: FakeSlack) -> None:
    step("staged=f3")
    assert pings(slack.messages(CHANNEL)[0]) == []
    step("staged=F3")
    (reply,) = slack.thread(CHANNEL, slack.messages(CHANNEL)[0].ts)
    assert reply.broadcast
    assert set(pings(reply)) == {"<@U0123ABCD>"}


def test_a_run_that_breaks_several_checks_gives_one_message_and_a_thread(step: Step, slack: FakeSlack) -> None:
    step("orders=f1 events=f2 staged=F3")
    assert len(slack.messages(CHANNEL)) == 1
    parent = slack.messages(CHANNEL)[0].text
    assert re.findall(r"The check (\w+) holds", parent.partition("\n")[2]) == ["staged", "events", "orders"]
    assert len(replies(slack)) == 3

    step("events=f2")
    (resolved,) = replies(slack)[3:]
    assert "orders" in resolved
    assert "staged" in resolved
    assert "events" not in resolved
    assert "1 of 3" in first_lines(slack)[0]


def test_what_a_known_cause_explains_is_told_in_the_causes_thread(step: Step, slack: FakeSlack) -> None:
    step("orders=F3 users=?")
    step("orders=F3 users=F1")
    assert len(slack.messages(CHANNEL)) == 1
    (folded,) = replies(slack)
    assert "users" in folded

    step()
    assert len(slack.messages(CHANNEL)) == 1
    assert re.findall(r"(orders|users) holds", " ".join(replies(slack)[1:])) == ["orders", "users"]


def test_what_is_not_evaluated_is_neither_resolved_nor_passed(step: Step, slack: FakeSlack) -> None:
    step("users=f1")
    step("staged=F3 users=? daily=?")
    assert [text.split(":")[1] for text in first_lines(slack)] == ["warning", "octagonal_sign"]
    assert replies(slack) == []
    assert "2 checks" in slack.messages(CHANNEL)[1].text


def test_checks_that_a_stopped_run_did_not_come_to_are_counted_wherever_they_lie(step: Step, slack: FakeSlack) -> None:
    step("events=F3 orders=?")
    (told,) = slack.messages(CHANNEL)
    assert "*Not evaluated because of this:* 1 check" in told.text


def test_a_run_that_fails_without_a_failing_check_is_told_without_its_exceptions_text(
    step: Step, slack: FakeSlack
) -> None:
    step(breaks="staging/orders")
    (told,) = slack.messages(CHANNEL)
    assert "step staging__orders failed: ValueError" in str(told.blocks)
    assert "alice" not in str(told)

    step(job=JOB)
    assert replies(slack)[0].startswith(":white_check_mark: Resolved")


def test_a_canceled_run_is_told_and_made_good_by_the_next(
    shop: Shop, alerts: Alerts, step: Step, slack: FakeSlack
) -> None:
    job = shop.definitions().resolve_job_def(JOB)
    run = shop.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    shop.instance.report_run_canceled(run)
    alerts.run_pass()
    (told,) = slack.messages(CHANNEL)
    assert "canceled" in str(told.blocks)
    step(job=JOB)
    assert replies(slack)[0].startswith(":white_check_mark: Resolved")


def test_a_run_of_chosen_assets_is_observed_like_any_other(shop: Shop, alerts: Alerts, slack: FakeSlack) -> None:
    shop.run("orders=f1", job="raw_orders")
    alerts.run_pass()
    assert first_lines(slack) == [":warning: Warning: 1 row not as assumed in orders: The check orders holds"]


def test_a_check_that_comes_and_goes_is_damped(step: Step, slack: FakeSlack) -> None:
    for found in ("orders=f1", "", "orders=f1", "", "orders=f1"):
        step(found)
    assert len(slack.messages(CHANNEL)) == 3
    said = len(slack.all_messages())
    for found in ("", "orders=f1", "", "orders=f1"):
        step(found)
    assert len(slack.all_messages()) == said
    for _ in range(3):
        step()
    assert len(slack.messages(CHANNEL)) == 3
    assert replies(slack, 2)[-1].startswith(":white_check_mark: Resolved")


def test_what_stays_open_is_recalled_in_the_channel(step: Step, alerts: Alerts, slack: FakeSlack) -> None:
    step("orders=F1")
    for hours, reminders in ((23, 0), (25, 1), (26, 1), (50, 2)):
        alerts.mind_the_time(datetime.now(UTC) + timedelta(hours=hours))
        alerts.deliver()
        assert len(replies(slack)) == reminders
    assert all(reply.broadcast for reply in slack.thread(CHANNEL, slack.messages(CHANNEL)[0].ts))


def test_what_gets_worse_every_day_is_recalled_in_the_channel_and_calls_the_owner(
    shop: Shop, alerts: Alerts, slack: FakeSlack
) -> None:
    first = datetime.now(UTC)
    for day in range(3):
        now = first + timedelta(days=day)
        record_run(shop, f"orders=F{day + 1}", now)
        alerts.read_news(now)
        alerts.mind_the_time(now + timedelta(seconds=10))
        alerts.deliver()
    told = slack.thread(CHANNEL, slack.messages(CHANNEL)[0].ts)
    assert [(reply.text.split()[0], reply.broadcast, bool(pings(reply))) for reply in told] == [
        ("Worse.", False, False),
        ("Still", True, True),
    ] * 2


def test_a_silence_holds_messages_back_until_it_ends(step: Step, alerts: Alerts, slack: FakeSlack) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    alerts.silence(Silence("raw/*", "*", "The export is being moved.", ends))
    step("orders=f1")
    assert slack.messages(CHANNEL) == []
    alerts.mind_the_time(ends + timedelta(seconds=1))
    alerts.deliver()
    assert len(first_lines(slack)) == 1


def test_a_silence_can_be_made_shorter(step: Step, alerts: Alerts, slack: FakeSlack) -> None:
    now = datetime.now(UTC)
    for hours in (48, 1):
        alerts.silence(Silence("raw/*", "*", "The export is being moved.", now + timedelta(hours=hours)))
    step("orders=f1")
    alerts.mind_the_time(now + timedelta(hours=2))
    alerts.deliver()
    assert len(first_lines(slack)) == 1


def test_those_whose_marts_are_held_back_read_it_where_they_read(shop: Shop, slack: FakeSlack) -> None:
    slack.add_channel("marketing")
    slack.add_channel("product")
    routing = replace(ROUTING, by_mart={"marketing": "#marketing", "product": "#product"})
    alerts = shop.alerts(transport_to(slack), routing)
    alerts.begin()
    for found in ("staged=F3 users=? daily=?", "daily=f1"):
        record_run(shop, found)
        alerts.run_pass()
    assert len(slack.messages(CHANNEL)) == 1
    assert len(slack.messages("marketing")) == 1
    assert [len(slack.thread(name, slack.messages(name)[0].ts)) for name in (CHANNEL, "marketing", "product")] == [
        1
    ] * 3
    assert len(slack.messages("product")) == 2


def test_reading_the_same_runs_again_tells_nothing(step: Step, alerts: Alerts, slack: FakeSlack) -> None:
    step("orders=F1")
    step("orders=F2")
    said = len(slack.all_messages())
    with alerts.ledger.transaction() as book:
        book.set_progress(READ_TO, "0")
    assert alerts.run_pass().runs == 0
    assert len(slack.all_messages()) == said


def test_five_hundred_failing_checks_are_all_told_in_a_few_messages(
    tmp_path_factory: pytest.TempPathFactory, slack: FakeSlack
) -> None:
    checks = {f"check_{n:03}": Subject("raw/orders", f"check_{n:03}") for n in range(500)}
    with shop_in(tmp_path_factory.mktemp("many"), checks) as shop:
        alerts = shop.alerts(transport_to(slack))
        alerts.begin()
        record_run(shop, " ".join(f"{name}=f{n + 1}" for n, name in enumerate(checks)))
        alerts.run_pass()
        assert len(slack.all_messages()) < 50
        assert len(slack.messages(CHANNEL)) == 1
        told = " ".join(shown(slack))
        # A headline, and its assumption below it, may both name a check.
        named = re.findall(r"The check (check_\d+) holds", told)
        assert list(dict.fromkeys(named)) == sorted(checks, reverse=True)

        before = len(shown(slack))
        record_run(shop)
        alerts.run_pass()
        assert len(slack.messages(CHANNEL)) == 1
        resolved = re.findall(r"The check (check_\d+) holds", " ".join(shown(slack)[before:]))
        assert (len(resolved), len(set(resolved))) == (500, 500)
    assert len(slack.messages("data-daily")) == 1


def test_a_history_that_began_anew_is_read_from_its_start(
    step: Step, alerts: Alerts, slack: FakeSlack, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for _ in range(3):
        step("orders=f1")
    with shop_in(tmp_path_factory.mktemp("anew")) as anew:
        alerts.instance = anew.instance
        assert alerts.run_pass().runs == 0
        record_run(anew, "orders=f1 events=F2")
        assert alerts.run_pass().runs == 1
    assert [line.split(":")[1] for line in first_lines(slack)] == ["warning", "octagonal_sign"]


def test_runs_that_somebody_deletes_do_not_have_all_of_history_told_again(
    step: Step, shop: Shop, alerts: Alerts, slack: FakeSlack
) -> None:
    step("orders=f1")
    step()
    record_run(shop, "events=f1")
    alerts.run_pass()
    said = len(slack.all_messages())
    newest = shop.instance.get_runs(limit=1)[0]
    shop.instance.delete_run(newest.run_id)
    assert alerts.run_pass().runs == 0
    assert len(slack.all_messages()) == said
    step("events=f1 users=f2")
    assert first_lines(slack)[-1] == ":warning: Warning: 2 rows not as assumed in users: The check users holds"


def test_a_part_of_a_job_does_not_make_the_whole_good(shop: Shop, alerts: Alerts, step: Step, slack: FakeSlack) -> None:
    step(breaks="raw/orders")
    job = shop.definitions().resolve_job_def(JOB)
    assert job.execute_in_process(instance=shop.instance, asset_selection=[dg.AssetKey(["raw", "events"])]).success
    alerts.run_pass()
    assert replies(slack) == []
    step(job=JOB)
    assert replies(slack)[0].startswith(":white_check_mark: Resolved")


def test_what_was_folded_is_resolved_in_the_causes_thread_though_that_one_was_resolved_before(
    shop: Shop, alerts: Alerts, step: Step, slack: FakeSlack
) -> None:
    step("orders=F3 users=F1")
    for job in ("raw_orders", "marketing_users"):
        shop.run(job=job)
    alerts.run_pass()
    assert [re.findall(r"(orders|users) holds", reply) for reply in replies(slack)] == [
        ["users"],
        ["orders"],
        ["users"],
    ]


def test_a_check_that_is_gone_from_the_project_leaves_no_open_incident(
    step: Step, alerts: Alerts, shop: Shop, slack: FakeSlack
) -> None:
    step("orders=F3 events=f1")
    shop.checks = {name: subject for name, subject in shop.checks.items() if name != "orders"}
    alerts.catalogue = shop.catalogue
    alerts.run_pass()
    assert "No longer checked" in replies(slack)[-1]
    with alerts.ledger.transaction() as book:
        assert [incident.subject.name for incident in book.open_incidents().values()] == ["events"]
    assert ": 1 warning. " in slack.messages("data-daily")[0].text


def test_what_waits_is_sent_even_if_a_run_cannot_be_read(
    shop: Shop, alerts: Alerts, slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_run(shop, "orders=f1")
    alerts.read_news(datetime.now(UTC))
    record_run(shop, "events=f1")

    def breaks(*_: object) -> None:
        raise ValueError("broken storage")

    monkeypatch.setattr("greenery_assets.alerts.runs.read_run", breaks)
    with pytest.raises(ValueError, match="broken storage"):
        alerts.run_pass()
    assert len(first_lines(slack)) == 1
    monkeypatch.undo()
    alerts.run_pass()
    assert len(first_lines(slack)) == 2


def test_two_passes_at_once_do_not_meet(alerts: Alerts) -> None:
    with FileLock(alerts.catalogue.project.home / "alerts.lock"), pytest.raises(BusyError, match=r"alerts\.lock"):
        alerts.run_pass()


def test_what_is_ours_is_marked_as_ours(step: Step, slack: FakeSlack) -> None:
    step("orders=F1")

    def delivery_id(posted: Posted) -> str:
        assert posted.metadata
        return str(posted.metadata["event_payload"]["delivery_id"])

    assert len({delivery_id(posted) for posted in slack.all_messages()}) == len(slack.all_messages())


def test_a_run_that_failed_says_why_each_time(shop: Shop, alerts: Alerts, slack: FakeSlack) -> None:
    for _ in range(2):
        shop.run(breaks="raw/orders")
        alerts.run_pass()
        shop.run()
        alerts.run_pass()
    told = slack.messages(CHANNEL)
    assert len(told) == 2
    # Edits have made them "Resolved"; what was posted is what notified.
    for posted in told:
        assert "The step raw__orders failed: ValueError. 4 checks not evaluated" in posted.history[0][0]
    assert "Again" in told[1].history[0][0]


def test_a_run_that_reports_success_but_left_a_table_out_is_told_and_nothing_is_well(
    shop: Shop, alerts: Alerts, slack: FakeSlack
) -> None:
    shop.run(skips="marketing/users")
    alerts.run_pass()
    (told,) = slack.messages(CHANNEL)
    assert told.text.startswith(":warning: Warning: a run of daily_job is incomplete")
    assert "The run reports success, but did not build marketing/users" in told.text
    (digest,) = slack.messages("data-daily")
    assert "The daily run did not build all of its tables" in digest.text
    assert ":white_check_mark:" not in digest.text
    assert "All" not in digest.text.splitlines()[1]

    shop.run()
    alerts.run_pass()
    assert slack.messages(CHANNEL)[0].text.startswith(":white_check_mark:")
    assert slack.messages("data-daily")[0].text.splitlines()[1] == ":white_check_mark: *All 5 checks hold.*"
