"""The ledger without what is old: nothing that may still be spoken of is gone, and nothing is sent twice."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from greenery_assets.alerts import schema
from greenery_assets.alerts.dispatch import Alerts
from tests.alerts.projects import ledger_at
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop
from tests.slack.fake import FakeSlack

CHANNEL = "data-alerts"
NOW = datetime.now(UTC)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def take_in(alerts: Alerts, shop: Shop, found: str, days: float) -> str:
    """A run that ended some days ago, and the pass after it."""
    run_id = record_run(shop, found, days_ago(days))
    assert alerts.read_news(days_ago(days)) == 1
    assert alerts.deliver().waiting == 0
    return run_id


def kept(alerts: Alerts) -> dict[str, int]:
    with alerts.ledger.transaction() as book:
        return {
            table.name: len(book._do(select(table)).all())
            for table in (schema.runs, schema.observations, schema.incidents, schema.threads, schema.outbox)
        }


def test_what_is_old_and_done_goes_and_what_may_still_be_spoken_of_stays(
    alerts: Alerts, shop: Shop, slack: FakeSlack
) -> None:
    runs = [
        take_in(alerts, shop, found, days)
        for found, days in [
            ("orders=f3 users=f1", 500), ("users=f1", 490), ("orders=f2 users=f1", 480), ("users=f1", 470),
            ("users=f2", 1),
        ]
    ]  # fmt: skip
    before, told = kept(alerts), slack.messages(CHANNEL)
    for run_id in (*runs[:2], runs[3]):
        shop.instance.delete_run(run_id)
    with alerts.ledger.transaction() as book:
        book.forget(days_ago(400), left=[runs[2]])
    after = kept(alerts)
    assert after["runs"] == 2
    assert after["observations"] * before["runs"] == before["observations"] * after["runs"]
    # Of orders the first episode shares its thread with users, which still fails; the second is the newest.
    assert after["incidents"] == before["incidents"] == 3
    assert 0 < after["outbox"] < before["outbox"]
    with alerts.ledger.transaction() as book:
        book.forget(days_ago(400), left=[runs[2]])
        assert [row.text for row in book.sent(99)], "the preview still shows how the threads begin"
    assert kept(alerts) == after

    take_in(alerts, shop, "orders=f1", 0)
    (again,) = slack.messages(CHANNEL)[len(told) :]
    assert "for the 3rd time" in again.text
    assert any("Resolved" in reply.text for reply in slack.thread(CHANNEL, told[0].ts))
    for number in range(1, 7):
        # It came and went: several runs in which it holds resolve it.
        take_in(alerts, shop, "", -number)
    with alerts.ledger.transaction() as book:
        assert book.open_incidents() == {}
        book.forget(days_ago(-400), left=[])
    # Of four the second of orders is gone: the newest of each stays, and the one beside users in its thread.
    assert kept(alerts)["incidents"] == 3
    assert kept(alerts)["runs"] == 0


def test_what_was_sent_after_the_ledger_was_copied_is_not_sent_again(
    alerts: Alerts, shop: Shop, slack: FakeSlack
) -> None:
    record_run(shop, "orders=F3", NOW)
    alerts.read_news(NOW)
    file, copy = shop.home / "alerts.sqlite", shop.home / "copy.sqlite"
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    assert alerts.deliver().waiting == 0
    told = [message.ts for message in slack.messages(CHANNEL)]
    assert told
    alerts.ledger.close()
    alerts.ledger = ledger_at(f"sqlite:///{copy}")
    with alerts.ledger.transaction() as book:
        book.doubt_waiting()
    assert alerts.deliver().waiting == 0
    assert [message.ts for message in slack.messages(CHANNEL)] == told
    alerts.ledger.close()
