"""Where the data is sample data, every message says so; and none does where it is a shop's own."""

from dataclasses import replace

import dagster as dg
import pytest

from greenery_assets.alerts.dispatch import Alerts
from greenery_assets.alerts.incidents import Kind
from greenery_assets.alerts.messages import change_messages, detail_messages, group_message, incident_message
from greenery_assets.alerts.preview import LogTransport
from tests.alerts.recorded import record_run
from tests.alerts.shop import HAPPENS, Shop
from tests.alerts.told import IN_THREADS, READER, assert_slack_takes, happened, incident, shown, title
from tests.slack.fake import FakeSlack

SAMPLED = replace(READER, is_sample=True)


def loaded_from(shop: Shop, source: str) -> None:
    """As the load of the source tables says it."""
    shop.instance.report_runless_asset_event(
        dg.AssetMaterialization(dg.AssetKey(["raw", "orders"]), metadata={"source": source})
    )


@pytest.mark.parametrize("source", ["sample data", "/data/sample data"])
def test_every_message_names_sample_data_as_that(shop: Shop, alerts: Alerts, slack: FakeSlack, source: str) -> None:
    loaded_from(shop, source)
    for found in ("orders=f1 users=f2", "orders=F1", ""):
        record_run(shop, found)
        alerts.run_pass()
    in_the_channels = [*slack.messages("data-alerts"), *slack.messages("data-daily")]
    # A broadcast reply is in the channel too.
    broadcast = [posted for posted in slack.all_messages() if posted.broadcast]
    assert broadcast
    said = [text for posted in (*in_the_channels, *broadcast) for text in (posted.text, str(posted.blocks))]
    is_sample = source == "sample data"
    assert [("SAMPLE DATA" in text) for text in said] == [is_sample] * len(said)
    alerts.transport = LogTransport(HAPPENS)
    alerts.run_pass()
    page = shop.project.preview.read_text()
    assert ("<h1>Greenery data alerts: SAMPLE DATA</h1>" in page) == is_sample


def test_a_shops_own_data_is_no_sample_from_the_load_on_that_brought_it(
    shop: Shop, alerts: Alerts, slack: FakeSlack
) -> None:
    loaded_from(shop, "sample data")
    loaded_from(shop, "/data/greenery")
    record_run(shop, "orders=f1")
    alerts.run_pass()
    assert "SAMPLE DATA" not in slack.messages("data-alerts")[0].text


def test_the_words_come_first_and_fit() -> None:
    messages = [
        incident_message(incident(), SAMPLED),
        group_message([incident(), incident(name="another")], SAMPLED),
        group_message([], SAMPLED, is_first=True),
        *detail_messages([incident()], SAMPLED),
    ]
    assert all(title(message).startswith("SAMPLE DATA · ") for message in messages)
    messages += change_messages([happened(kind) for kind in IN_THREADS if kind != Kind.INHIBITED], SAMPLED)
    for message in messages:
        assert_slack_takes(message)
        assert message.text.startswith("SAMPLE DATA · ")
        assert shown(message).startswith("SAMPLE DATA · ")
