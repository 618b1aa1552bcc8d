"""Whatever an incident holds, its messages are such as Slack takes."""

from collections.abc import Iterable
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from greenery_assets.alerts.incidents import Incident, Kind, Transition
from greenery_assets.alerts.messages import (
    Message,
    change_messages,
    detail_messages,
    group_message,
    incident_message,
)
from tests.alerts.strategies import several, times
from tests.alerts.told import IN_THREADS, READER, assert_slack_takes, mentions, shown


def total(told: Iterable[Message]) -> str:
    return " ".join(shown(message) for message in told)


@settings(deadline=None, max_examples=30)
@given(several(), st.booleans(), st.lists(st.sampled_from(IN_THREADS), min_size=1), times)
def test_whatever_is_in_an_incident_slack_takes_its_messages(
    found: list[Incident], is_first: bool, kinds: list[Kind], at: datetime
) -> None:
    details = detail_messages(found, READER)
    changes = change_messages(
        [Transition(kind, each, at, before=each.finding) for each in found for kind in kinds], READER
    )
    for message in (
        incident_message(found[0], READER),
        group_message(found, READER, is_first=is_first),
        *details,
        *changes,
    ):
        assert_slack_takes(message)
        assert mentions(message) == []
    sections = [line for message in details[5:] for block in message.blocks for line in block["elements"]]
    assert [line["elements"][0]["text"] for line in sections] == [f"{n}. " for n in range(6, len(found) + 1)]
