"""The digest carries the report's picture, the one it was written with, and never waits for it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from greenery_assets.alerts import blocks
from greenery_assets.alerts import slack as slack_module
from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.notify import Report
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop, transport_to
from tests.slack.fake import ANY_METHOD, UPLOAD, FakeSlack, Fault, Posted

DAILY = "data-daily"
FIRST, SECOND = b"\x89PNG first", b"\x89PNG second"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack_module, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(slack_module, "LONGEST_UPLOAD_S", 1)


@pytest.fixture
def alerts(shop: Shop, slack: FakeSlack) -> Alerts:
    """The shop's alerts, which may upload the report's picture."""
    alerts = shop.alerts(transport_to(slack, shop.picture))
    alerts.begin()
    return alerts


def digest(slack: FakeSlack) -> Posted:
    (posted,) = slack.messages(DAILY)
    return posted


def pictured(slack: FakeSlack) -> bytes | None:
    """The picture that the digest shows now."""
    files = [block["slack_file"]["id"] for block in digest(slack).blocks if block["type"] == "image"]
    return slack.files.contents[files[0]] if files else None


def uploads(slack: FakeSlack) -> int:
    return len(slack.files.contents)


def test_the_digest_carries_the_picture_drawn_in_its_run(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    shop.picture.write_bytes(FIRST)
    record_run(shop)
    alerts.run_pass()
    assert pictured(slack) == FIRST
    (block,) = (block for block in digest(slack).blocks if block["type"] == "image")
    assert "in one picture" in block["alt_text"]


def test_a_picture_of_before_the_run_is_left_out_until_it_is_drawn_anew(
    shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    shop.picture.write_bytes(FIRST)
    yesterday = (datetime.now().astimezone() - timedelta(days=1)).timestamp()
    os.utime(shop.picture, (yesterday, yesterday))
    record_run(shop, "orders=F3")
    alerts.run_pass()
    assert pictured(slack) is None

    shop.picture.write_bytes(SECOND)
    alerts.run_pass()
    assert pictured(slack) == SECOND
    assert len(digest(slack).history) == 1


def test_an_edit_with_the_same_picture_uploads_it_once(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    shop.picture.write_bytes(FIRST)
    record_run(shop, "orders=f3")
    alerts.run_pass()
    record_run(shop)
    shop.picture.touch()
    alerts.run_pass()
    assert digest(slack).history
    assert (pictured(slack), uploads(slack)) == (FIRST, 1)


def test_slack_may_need_a_moment_to_show_what_it_took(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    slack.files.refused = 1
    shop.picture.write_bytes(FIRST)
    record_run(shop)
    alerts.run_pass()
    assert (pictured(slack), len(slack.all_messages())) == (FIRST, 1)


def _lacks_the_scope(slack: FakeSlack) -> None:
    slack.scopes.discard("files:write")


def _refuses_to_show_it(slack: FakeSlack) -> None:
    slack.files.refused = 99


def _refuses_the_upload(slack: FakeSlack) -> None:
    slack.fault("files.getUploadURLExternal", Fault.error("internal_error"))


def _trickles(slack: FakeSlack) -> None:
    slack.fault("files.completeUploadExternal", Fault.trickling(0.1))


def _takes_the_content_slowly(slack: FakeSlack) -> None:
    slack.fault(UPLOAD, Fault.trickling(0.3))


def _loses_the_end_of_the_upload(slack: FakeSlack) -> None:
    slack.fault("files.completeUploadExternal", Fault.dropped())


@dataclass
class Day:
    """A run of the day with its picture, and all that is told of it."""

    shop: Shop
    alerts: Alerts

    def passes(self) -> Report:
        self.shop.picture.write_bytes(FIRST)
        record_run(self.shop)
        return self.alerts.run_pass()


@pytest.fixture
def day(shop: Shop, alerts: Alerts) -> Day:
    return Day(shop, alerts)


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (_lacks_the_scope, "the app lacks the scope files:write: paste the app's manifest again"),
        (_refuses_to_show_it, "Slack does not show the picture"),
        (_refuses_the_upload, "could not be uploaded to Slack (internal_error)"),
        (_loses_the_end_of_the_upload, "could not be uploaded to Slack (RemoteDisconnected)"),
        (_trickles, "could not be uploaded to Slack (TimeoutError)"),
        (_takes_the_content_slowly, "could not be uploaded to Slack (TimeoutError)"),
    ],
)
def test_without_its_picture_the_digest_arrives_all_the_same(
    slack: FakeSlack, day: Day, caplog: pytest.LogCaptureFixture, breaks: Callable[[FakeSlack], None], words: str
) -> None:
    breaks(slack)
    report = day.passes()
    assert pictured(slack) is None
    assert len(digest(slack).blocks) > 2
    assert (report.waiting, report.problems) == (0, [])
    assert words in caplog.text


def test_while_slack_is_down_the_digest_waits_and_then_carries_the_newest_picture(
    shop: Shop, slack: FakeSlack, alerts: Alerts
) -> None:
    slack.fault(ANY_METHOD, Fault.error("service_unavailable"), times=None)
    shop.picture.write_bytes(FIRST)
    record_run(shop)
    assert alerts.run_pass().waiting == 1
    slack.clear_faults()
    shop.picture.write_bytes(SECOND)
    for _ in range(3):
        alerts.run_pass()
        with alerts.ledger.transaction() as book:
            for row in book.waiting():
                book.mark(row.delivery_id, not_before=None)
    assert pictured(slack) == SECOND


def test_a_missing_picture_has_no_name_and_a_changed_one_another(tmp_path: Path) -> None:
    picture, since = tmp_path / "picture.png", datetime.now().astimezone() - timedelta(minutes=1)
    assert blocks.picture_name(picture, since) == ""
    picture.write_bytes(FIRST)
    name = blocks.picture_name(picture, since)
    assert blocks.read_picture(picture, name) == FIRST
    picture.write_bytes(SECOND)
    assert blocks.read_picture(picture, name) is None
    assert blocks.picture_name(picture, since + timedelta(minutes=2)) == ""


def test_a_message_never_has_two_values_of_a_figure(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    """The picture, and the figures beside it, are of what the tables hold now; what is not is left out."""
    rate = dg.AssetKey(["marketing", "fact_repeat_rate"])

    def happens(*events: dg.AssetMaterialization | dg.AssetObservation) -> tuple[bool, bool]:
        for event in events:
            shop.instance.report_runless_asset_event(event)
        alerts.mind_the_time(datetime.now(UTC))
        alerts.deliver()
        blocks_of_it = digest(slack).blocks
        return "80.7 %" in str(blocks_of_it), any(block["type"] == "image" for block in blocks_of_it)

    record_run(shop)
    alerts.run_pass()
    recorded = dg.AssetObservation(rate, metadata={"repeat_rate": 0.807})
    shop.picture.write_bytes(FIRST)
    assert happens(dg.AssetMaterialization(rate), recorded) == (False, False)
    shop.picture.write_bytes(SECOND)
    assert happens() == (True, True)
    # Built again, by a run that neither recorded the figure nor came to the picture yet.
    assert happens(dg.AssetMaterialization(rate)) == (False, False)
    shop.picture.write_bytes(FIRST)
    assert happens() == (False, True)


def test_what_moved_is_said_by_the_page_of_the_last_run_alone(shop: Shop, slack: FakeSlack, alerts: Alerts) -> None:
    rate, page = dg.AssetKey(["marketing", "fact_repeat_rate"]), dg.AssetKey(["reporting", "state_of_the_data"])

    def says(*events: dg.AssetMaterialization) -> list[str]:
        for event in events:
            shop.instance.report_runless_asset_event(event)
        alerts.run_pass()
        return [words for words in ("since the 20th", "since the 21st") if words in str(digest(slack).blocks)]

    def wrote(words: str) -> dg.AssetMaterialization:
        return dg.AssetMaterialization(page, metadata={"changes": words})

    shop.instance.report_runless_asset_event(wrote("since the 20th"))
    record_run(shop, took=timedelta())
    assert says() == []
    assert says(wrote("since the 21st")) == ["since the 21st"]
    # The figures are newer: a page that shows them is to come.
    assert says(dg.AssetMaterialization(rate)) == []
    assert says(wrote("since the 20th")) == ["since the 20th"]
    shop.instance.report_runless_asset_event(dg.AssetMaterialization(page))
    assert says() == []
