"""What a person sees in Dagster: the lineage of all assets, and one asset with its columns and checks.

Run with UPDATE_IMAGES=1 to draw the README's picture of the lineage anew.
"""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import FloatRect, Locator, Page, expect

from greenery_assets.settings import PROJECT_ROOT

from .conftest import PAGE_TIMEOUT_MS, Site

# One web server and one browser serve all of them.
pytestmark = pytest.mark.slow
expect.set_options(timeout=PAGE_TIMEOUT_MS)

IMAGES = PROJECT_ROOT / "docs" / "images"
MAX_IMAGE_BYTES = 400_000
IMAGE_COLOURS = 96
WIDTH = 1000
MARGIN_PX = 16

GROUPS = ["raw", "staging", "core", "marketing", "product", "reporting"]
# Made by a sensor and not by a run: never built, never green.
NOT_BUILT = "slack_messages"
KEY_ASSETS = [
    "events",
    "orders",
    "stg_events",
    "stg_orders",
    "dim_orders",
    "dim_events",
    "fact_orders",
    "int_user_orders",
    "fact_user_orders",
    "fact_repeat_rate",
    "int_page_views",
    "fact_page_views",
    "fact_conversion",
]

GRAPH = "[data-svg-viewport]"
ASSET = f"{GRAPH} [class*=minimalAssetNodeBox]"
OPEN_GROUP = f"{GRAPH} [class*=groupOutlineBox]"
DRAWN = f"{GRAPH} svg foreignObject"
# The controls that lie over the graph are for moving about, which a picture cannot.
NO_CONTROLS = "button, #zoom-slider-container { visibility: hidden }"


def test_lineage_shows_every_group_with_its_assets_built(page: Page, tmp_path: Path) -> None:
    open_whole_lineage(page)

    for group in GROUPS:
        expect(in_graph(page, group)).to_be_visible()
    for asset in KEY_ASSETS:
        expect(in_graph(page, asset)).to_be_visible()
    expect_all_built(page)
    keep_picture(page, tmp_path / "lineage.png")


def test_lineage_with_core_folded_shows_the_flow_between_groups(page: Page, tmp_path: Path) -> None:
    open_whole_lineage(page)
    fold(page, "core")

    for group in GROUPS:
        expect(in_graph(page, group)).to_be_visible()
    expect(in_graph(page, "dim_orders")).to_have_count(0)
    expect_all_built(page)
    keep_picture(page, tmp_path / "lineage_overview.png")


def test_asset_page_tells_what_a_row_and_each_column_is(page: Page) -> None:
    page.goto("/assets/staging/stg_events")

    expect(page.get_by_text("One row per event on the site, as the source has it.")).to_be_visible()
    column = page.get_by_role("row", name=re.compile("^session_id"))
    expect(column).to_contain_text("uuid")
    expect(column).to_contain_text("The session, one visit to the site.")


def test_asset_page_shows_a_few_rows_what_its_group_is_for_and_its_sql(page: Page) -> None:
    page.goto("/assets/marketing/fact_repeat_rate")

    preview = page.get_by_role("row").filter(has_text="preview").first
    expect(preview).to_contain_text("users_purchased")
    expect(page.get_by_text("marketing: who buys, who comes back and why")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^sql "))).to_contain_text("as users_repeat")


def test_the_state_of_the_data_is_seen_in_dagster(page: Page) -> None:
    page.goto("/assets/reporting/state_of_the_data")

    expect(page.get_by_text(re.compile(r"All \d+ checks hold\.")).first).to_be_visible()
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("img", name=re.compile("checks hold"))
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 500


@pytest.mark.parametrize(
    ("asset", "check", "statement"),
    [
        ("staging/stg_events", "order_has_at_most_one_checkout", "An order has at most one checkout event."),
        ("product/int_page_views", "int_page_views_has_every_event", "Nothing is lost or doubled on the way"),
        ("raw/events", "events_are_fresh", "The source is fresh: its newest row is younger than the set age."),
    ],
)
def test_check_is_shown_with_its_statement_and_verdict(page: Page, asset: str, check: str, statement: str) -> None:
    page.goto(f"/assets/{asset}?view=checks&checkDetail={check}")

    expect(page.get_by_text(check, exact=True).last).to_be_visible()
    expect(page.get_by_text(statement)).to_be_visible()
    expect(page.get_by_text("Succeeded").first).to_be_visible()


def test_server_logs_neither_warning_nor_error(page: Page, site: Site) -> None:
    page.goto("/locations")
    expect(page.get_by_text("Loaded", exact=True)).to_be_visible()

    complaints = re.findall(r".*(?:WARNING|ERROR|Warning:|Traceback).*", site.log.read_text())
    assert complaints == []


def open_whole_lineage(page: Page) -> None:
    """Open the global lineage with all groups expanded, nothing beside it, and all of it in the window."""
    # Dagster remembers these choices of a person's: a folded menu, and of an asset's facts only its checks.
    page.add_init_script("""
        localStorage.setItem("dagster-nav-collapsed", "true");
        localStorage.setItem("asset-node-facets", '["checks"]');
    """)
    page.goto("/asset-groups")
    page.locator("button", has=page.get_by_label("panel_show_right")).click()
    for group in GROUPS:
        expect(in_graph(page, group)).to_be_visible()
    page.keyboard.press("Alt+e")  # Dagster's shortcut for "Expand all groups"
    expect(page.locator(OPEN_GROUP).first).to_be_attached()
    fit_window(page)
    expect(page.locator(OPEN_GROUP)).to_have_count(len(GROUPS))


def fold(page: Page, group: str) -> None:
    """Show one of the open groups as a single box."""
    address = urlsplit(page.url)
    (opened,) = parse_qs(address.query)["expanded"]
    others = [name for name in opened.split(",") if not name.endswith(f":{group}")]
    page.goto(f"{address.path}?{urlencode({'expanded': ','.join(others)})}")
    page.locator("button", has=page.get_by_label("panel_show_right")).click()
    expect(page.locator(OPEN_GROUP).first).to_be_attached()
    fit_window(page)
    expect(page.locator(OPEN_GROUP)).to_have_count(len(others))


def fit_window(page: Page) -> None:
    """Make the window as high as the graph needs: Dagster fits it to the width and draws only what is in sight."""
    graph = bounds(page.locator(f"{GRAPH} svg[class*=svgContainer]"))
    page.set_viewport_size({"width": WIDTH, "height": round(graph["height"] * WIDTH / graph["width"]) + 200})
    canvas = bounds(page.locator(GRAPH))
    page.mouse.dblclick(canvas["x"] + 10, canvas["y"] + canvas["height"] - 10)  # Dagster's "fit"


def expect_all_built(page: Page) -> None:
    """Every asset in sight is green: built, and not marked for a failed check. Statuses arrive after the graph."""
    expect(page.locator(ASSET).first).to_be_visible()
    expect(page.locator(f"{ASSET}:not([style*=green])", has_not_text=NOT_BUILT)).to_have_count(0)


def keep_picture(page: Page, picture: Path) -> None:
    """Draw the graph and nothing else; into the README's images too when that is asked for."""
    page.screenshot(path=picture, clip=graph_bounds(page), style=NO_CONTROLS, animations="disabled")
    shrink(picture)
    assert picture.stat().st_size < MAX_IMAGE_BYTES
    published = IMAGES / picture.name
    if os.environ.get("UPDATE_IMAGES") == "1":
        published.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, published)
    assert published.is_file()


def in_graph(page: Page, text: str) -> Locator:
    """Where the graph, not the panels beside it, says just this."""
    return page.locator(GRAPH).get_by_text(text, exact=True).first


def bounds(element: Locator) -> FloatRect:
    """Where an element is in the window, in pixels."""
    box = element.bounding_box()
    assert box is not None
    return box


def graph_bounds(page: Page) -> FloatRect:
    """The part of the window that groups and assets take up, with a margin."""
    boxes = [bounds(drawn) for drawn in page.locator(DRAWN).all()]
    left = min(box["x"] for box in boxes) - MARGIN_PX
    top = min(box["y"] for box in boxes) - MARGIN_PX
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN_PX
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN_PX
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def shrink(picture: Path) -> None:
    """Keep only so many colours as a drawing needs."""
    with Image.open(picture) as image:
        small = image.convert("RGB").quantize(IMAGE_COLOURS, dither=Image.Dither.NONE)
    small.save(picture, optimize=True)
