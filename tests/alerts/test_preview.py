"""The page for people without a token: it shows what Slack would, and data never becomes part of the page."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

from greenery_assets.alerts.blocks import picture
from greenery_assets.alerts.incidents import Kind, Sample
from greenery_assets.alerts.messages import Message, change_messages, incident_message
from greenery_assets.alerts.preview import PreviewPost, render_preview
from tests.alerts.projects import PROJECT
from tests.alerts.told import OPENED_AT, READER, happened, incident, resolved

SCRIPT = "<script>alert(1)</script>"


def post(message: Message, minutes: int = 0, channel: str = "data-alerts", *replies: PreviewPost) -> PreviewPost:
    return PreviewPost(channel, message, OPENED_AT + timedelta(minutes=minutes), replies)


def visible(page: str) -> str:
    """The page's text, as a browser shows it."""
    body = page[page.index("<main>") :]
    return unescape(re.sub(r"<[^>]+>", "", body))


def test_a_script_in_the_data_is_shown_as_text() -> None:
    of = incident(reason=SCRIPT, kept_in=SCRIPT, acknowledged_by=SCRIPT, sample=Sample((SCRIPT,), ((SCRIPT,),)))
    page = render_preview([post(incident_message(of, READER))], replace(PROJECT, name=SCRIPT))
    assert "<script" not in page
    # Beside the five of the incident: in the title, above the page and as its sender.
    assert visible(page).count(SCRIPT) == 8


def test_the_page_needs_no_network_and_says_why_it_is_there() -> None:
    page = render_preview([post(incident_message(incident(), READER))], PROJECT)
    assert not re.search(r'(src|href)="(?!http://dagster\.example|#|data:,")', page)
    assert "No GREENERY_SLACK_TOKEN is set" in page


def test_what_slack_formats_is_formatted() -> None:
    page = render_preview([post(incident_message(incident(statement="`order_id` is set."), READER))], PROJECT)
    assert "<b>Assumed:</b> <code>order_id</code> is set." in page
    assert '<span class="mention">@U0DATA</span>' in page
    assert '<use href="#octagonal_sign"/>' in page
    assert '<a href="http://dagster.example/runs/run-1" rel="noreferrer">Open the run</a>' in page
    assert "checkDetail=order_has_at_most_one_checkout" in page


def test_messages_stand_by_channel_the_newest_last_with_their_threads() -> None:
    reply = post(change_messages([happened(Kind.WORSE)], READER)[0], 9)
    page = visible(
        render_preview(
            [
                post(incident_message(resolved(incident()), READER), 5),
                post(incident_message(incident(), READER), 1, "data-alerts", reply),
                post(Message("only text & more", ()), 2, "#ops"),
            ],
            PROJECT,
        )
    )
    found = [
        page.index(part)
        for part in ("#data-alerts", "ERROR: orders", "312 → 400", "Resolved after", "#ops", "only text")
    ]
    assert found == sorted(found)
    assert "1 reply" in page
    assert "##" not in page


def test_without_messages_the_page_says_so() -> None:
    assert "There are no messages yet" in render_preview([], PROJECT)


def test_a_picture_is_shown_where_it_is_still_the_one_that_was_told() -> None:
    message = Message("State of the data", (picture("now", "Repeat rate 80 %"), picture("gone", "Of yesterday")))
    page = render_preview([post(message)], PROJECT, pictures={"now": b"PNG"})
    assert '<img class="picture" src="data:image/png;base64,UE5H" alt="Repeat rate 80 %">' in page
    assert page.count("<img") == 1
