"""How a message looks to people: the page for those without Slack, which the README shows a picture of.

Run with UPDATE_IMAGES=1 to draw that picture anew.
"""

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page

from greenery_assets.alerts.incidents import (
    Finding,
    Incident,
    Kind,
    MartState,
    Outcome,
    Sample,
    Severity,
    Subject,
    Transition,
)
from greenery_assets.alerts.messages import change_messages, incident_message
from greenery_assets.alerts.preview import PreviewPost, render_preview
from greenery_assets.alerts.runs import Catalogue
from greenery_assets.alerts.wording import Reader
from tests.alerts.projects import PROJECT
from tests.ui.test_lineage import IMAGES, MAX_IMAGE_BYTES, shrink

pytestmark = pytest.mark.slow

FOUND_AT = datetime(2026, 11, 21, 6, 2, tzinfo=UTC)
READER = Reader(ZoneInfo("UTC"), "http://localhost:3000")
HOSTILE = "<script>document.title = 'caught'</script> <!channel> *bold* `code` https://example.com \u202e"


def marts_of(asset: str) -> tuple[MartState, ...]:
    """The marts that the project makes of an asset, as they were the day before."""
    from greenery_assets.definitions import defs  # noqa: PLC0415  seconds, and it reads the settings

    lineage = Catalogue.of(PROJECT, defs.get_repository_def()).lineage
    yesterday = FOUND_AT - timedelta(hours=24)
    return tuple(MartState(mart, False, yesterday, lineage.groups[mart]) for mart in lineage.marts_from(asset))


def incident(reason: str = "") -> Incident:
    """An order with two checkouts, which stopped every mart that is made from the events."""
    finding = Finding(
        subject=Subject("staging/stg_events", "order_has_at_most_one_checkout"),
        outcome=Outcome.FAILED,
        severity=Severity.ERROR,
        statement="An order has at most one checkout event.",
        owner="data-platform@greenery.example",
        assumption="A03",
        why="Time per event type and conversion would count the order twice.",
        remedy="Look for a checkout logged twice (a reload, a retried request) and drop the copy at the source.",
        affects="conversion, funnel and time on the site",
        reason=reason or "2 orders have more than one checkout event.",
        failing_rows=2,
        rows_checked=3997,
        kept_in="quality.order_has_at_most_one_checkout",
        sample=Sample(
            ("event_id", "order_id", "event_type", "created_at"),
            (
                (
                    "082f72b0-2f5b-4b82-a4cc-3ea0e186675b",
                    "3fc7ab0c-52d1-4c59-8e0f-6d1a2f5b7c90",
                    "checkout",
                    "2026-11-20 14:02:11",
                ),
                (
                    "17d5ff3b-a000-4fc6-a7bd-e5fb4065d568",
                    "3fc7ab0c-52d1-4c59-8e0f-6d1a2f5b7c90",
                    "checkout",
                    "2026-11-20 14:02:13",
                ),
            ),
        ),
    )
    return Incident(
        subject=finding.subject,
        episode=1,
        opened_at=FOUND_AT,
        opened_by_run="615d2b3c",
        finding=finding,
        last_run="615d2b3c",
        announced=finding,
        marts=marts_of(finding.subject.asset),
        held_back=30,
    )


@pytest.fixture
def page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": 760, "height": 900}, device_scale_factor=1.8, offline=True)
    return context.new_page()


def open_preview(page: Page, tmp_path: Path, shown: Incident) -> list[str]:
    """Open the page from disk; returns what the browser complains of or asks the network for."""
    later = replace(
        shown,
        finding=replace(shown.finding, failing_rows=5, reason=shown.finding.reason.replace("2 orders", "5 orders")),
    )
    worse = Transition(Kind.WORSE, later, FOUND_AT + timedelta(hours=24), before=shown.finding)
    (reply,) = change_messages([worse], READER)
    post = PreviewPost(
        "#data-alerts",
        # The first message is edited as its incident changes.
        incident_message(later, READER),
        FOUND_AT,
        (PreviewPost("#data-alerts", reply, FOUND_AT + timedelta(hours=24)),),
    )
    file = tmp_path / "alerts.html"
    file.write_text(render_preview([post], PROJECT), encoding="utf-8")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    return complaints


def test_the_page_opens_from_disk_and_asks_for_nothing(page: Page, tmp_path: Path) -> None:
    assert open_preview(page, tmp_path, incident()) == []
    assert page.get_by_text("An order has at most one checkout event.").first.is_visible()
    # The thread's first message says what its last reply does, and names every mart that stands still.
    said = page.inner_text("body")
    assert "ERROR: 5 orders have more than one checkout event" in said
    assert "Conversion, funnel and time on the site are frozen at 20 Nov 06:02 UTC." in said
    assert "2 → 5 rows" in said
    names = [mart.asset.rpartition("/")[2] for mart in incident().marts]
    assert len(names) > 10
    assert [name for name in names if name not in said] == []
    picture = tmp_path / "alert.png"
    page.locator(".channel").screenshot(path=picture, animations="disabled")
    shrink(picture)
    assert picture.stat().st_size < MAX_IMAGE_BYTES
    if os.environ.get("UPDATE_IMAGES") == "1":
        shutil.copy(picture, IMAGES / picture.name)
    assert (IMAGES / picture.name).is_file()


def test_what_a_row_holds_is_shown_as_it_is_and_does_nothing(page: Page, tmp_path: Path) -> None:
    assert open_preview(page, tmp_path, incident(HOSTILE)) == []
    assert "<script>document.title = 'caught'</script> <!channel> *bold* `code` https://example.com" in page.inner_text(
        "body"
    )
    assert page.title() != "caught"
    assert page.locator("a[href*='example.com']").count() == 0
