"""The state of the data in a real browser, opened from disk without a network: drawn, readable, right, and safe.

Run with UPDATE_IMAGES=1 to draw the README's pictures of it anew.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.ui.report_days import DAYS, SIZES, opened, tables_of
from tests.ui.test_lineage import IMAGES, MAX_IMAGE_BYTES, shrink

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("built_before_the_browser"),
]

# Drawn shapes that stand for data: axes and grids are of other classes.
MARKS = ".mark-rect path, .mark-line path, .mark-area path, .mark-symbol path, .mark-rule line, .mark-rect rect"
SERIOUS = ("serious", "critical")
MOST_PAGES, MOST_LEFT_BLANK, MOST_LEFT_BLANK_AT_END = 9, 0.4, 0.85


def violations(tab: Page) -> list[str]:
    """What axe finds that would keep somebody from using the page."""
    found = Axe().run(tab).response["violations"]
    return [
        f"{each['id']}: {each['help']} ({each['nodes'][0]['html'][:150]}; {len(each['nodes'])} in all)"
        for each in found
        if each["impact"] in SERIOUS
    ]


def cut_off(tab: Page) -> list[str]:
    """Words of charts that reach beyond what is shown of them."""
    words: list[str] = tab.evaluate(
        """() => [...document.querySelectorAll(".chart svg")].flatMap(svg => {
            const box = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].filter(text => {
                const {left, right} = text.getBoundingClientRect();
                // What would overlap another label is in the drawing, and cannot be seen.
                const isSeen = text.textContent && text.getAttribute("opacity") !== "0";
                return isSeen && (left < box.left - 2 || right > box.right + 2);
            }).map(text => text.textContent);
        })"""
    )
    return words


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["sample", "stopped"])
def test_everybody_can_use_the_page(
    browser: Browser, homes: Callable[[str], Path], kind: str, size: str, scheme: str
) -> None:
    with opened(browser, homes(kind), size, scheme) as tab:
        # With all that can be opened open, and the checks that hold shown, so that nothing is passed over.
        tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
        tab.evaluate("document.getElementById('all-checks').click()")
        assert violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it scrolls sideways"
        assert cut_off(tab) == []


@pytest.mark.parametrize("kind", DAYS)
def test_every_chart_is_drawn_and_fits_whatever_the_day_was(
    browser: Browser, homes: Callable[[str], Path], kind: str
) -> None:
    with opened(browser, homes(kind)) as tab:
        drawn = tab.evaluate(
            """marks => [...document.querySelectorAll(".chart")].map(chart => [
                chart.id, chart.querySelectorAll(marks).length,
                chart.querySelector("svg").getBoundingClientRect().width <= chart.getBoundingClientRect().width + 1,
            ])""",
            MARKS,
        )
        assert {chart for chart, marks, fits in drawn if not marks or not fits} == set()
        if kind in {"sample", "stopped", "hostile"}:
            assert len(drawn) == 14


NOT_THERE = r"No figure is there yet\."
VERDICTS = {
    "sample": r"SAMPLE DATA: All \d+ checks hold\.",
    "stopped": r"SAMPLE DATA: Not all figures are current: 1 ERROR, \d+ checks not evaluated\. "
    r"[\w ,]* conversion, traffic, funnel, time on the site and views by state are from today \d\d:\d\d\.",
    "before_any_run": rf"Not all figures are current: \d+ checks not evaluated\. {NOT_THERE}",
    "without_events": r"SAMPLE DATA: Not all figures are current: 1 ERROR, \d+ warnings, \d+ checks not evaluated\. "
    r"[\w ,]* conversion, traffic, funnel, time on the site and views by state are not there yet\.",
    "without_rows": r"SAMPLE DATA: All figures were refreshed: \d+ warnings(, \d+ notes?)?\.",
    "hostile": r"SAMPLE DATA: All \d+ checks hold\.",
}


@pytest.mark.parametrize("kind", DAYS)
def test_the_verdict_is_that_of_the_day(browser: Browser, homes: Callable[[str], Path], kind: str) -> None:
    with opened(browser, homes(kind)) as tab:
        said = tab.inner_text("h1")
        assert re.fullmatch(VERDICTS[kind], said), said
        ages = tab.locator(".aged").all_inner_texts()
        if kind in {"sample", "hostile", "without_rows"}:
            assert ages == []
        elif kind == "stopped":
            assert ages
            assert all(re.match(r"From today \d\d:\d\d: the daily run did not refresh it\.", age) for age in ages)
        else:
            assert set(ages) == {"Not there yet: no run has built it."}


def test_what_stopped_the_run_is_told_where_it_is_looked_for(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("stopped")) as tab:
        row = tab.locator("#check-order_has_at_most_one_checkout")
        assert "An order has at most one checkout event." in row.inner_text()
        assert "Fails" in row.inner_text()
        assert "quality.order_has_at_most_one_checkout" in row.inner_text()
        assert row.locator("svg.strip .failed").count() == 1
        tab.click(".broken a")
        assert tab.evaluate("location.hash") == "#check-order_has_at_most_one_checkout"
        keep(tab, "report_stopped.png", below="#conversion")


def test_the_sample_looks_as_in_the_readme(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("sample")) as tab:
        keep(tab, "report.png", below="#conversion")


def test_toggles_work_by_keyboard(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("stopped")) as tab:
        tab.focus("#choose-conversion-0")
        tab.keyboard.press("ArrowRight")
        assert tab.locator("#choose-conversion-1").is_checked()
        assert tab.locator("#conversion-1").is_visible()
        assert tab.evaluate("getComputedStyle(document.getElementById('conversion-0')).visibility") == "hidden"

        holding = tab.locator("#checks tr.passed")
        assert holding.first.is_hidden(), "what does not hold comes first"
        assert tab.locator("#checks tr.failed").is_visible()
        tab.focus("#failing-checks")
        tab.keyboard.press("ArrowLeft")
        assert holding.first.is_visible()
        tab.keyboard.press("ArrowRight")
        assert holding.first.is_hidden()

        tab.focus("#theme")
        tab.keyboard.press("Enter")
        assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
        assert tab.get_attribute("#theme", "aria-pressed") == "true"

        numbers = tab.locator("#funnel-0 details")
        numbers.locator("summary").focus()
        tab.keyboard.press("Enter")
        assert numbers.get_attribute("open") is not None


def test_a_hidden_view_is_out_of_the_keyboards_way(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("sample")) as tab:
        tab.evaluate("document.querySelector('#conversion-1 summary').focus()")
        assert tab.evaluate("document.activeElement.closest('#conversion-1')") is None


def test_text_of_a_source_is_shown_and_does_nothing(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("hostile"), "telephone") as tab:
        assert tab.title() != "caught"
        shown = {row[""] for row in tables_of(tab, "conversion")[2]}
        assert any(name.startswith("<script>document.title = 'caught'</script> 🌵 Monstera") for name in shown)
        assert "Product without a name" in shown
        assert max(map(len, shown)) < 130
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_on_paper_what_is_short_is_open_and_all_views_are_there(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("sample")) as tab:
        tab.emulate_media(media="print")
        tab.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert tab.locator("#conversion-2").is_visible()
        assert tab.get_by_role("heading", name="By product").first.is_visible()
        indicators = tab.locator("#buying-again-0 table")
        assert indicators.is_visible()
        tab.set_viewport_size({"width": 720, "height": 1000})  # about A4
        assert indicators.evaluate("table => table.scrollWidth <= table.closest('section').clientWidth")
        tab.evaluate("dispatchEvent(new Event('afterprint'))")
        assert indicators.is_hidden()


def test_printed_it_has_nine_pages_at_most_none_near_empty_and_no_heading_at_the_end_of_one(
    browser: Browser, homes: Callable[[str], Path]
) -> None:
    with opened(browser, homes("sample")) as tab:
        # Rows of tables begin with the names of some charts, so what is below a heading is told by its whole line.
        titles = [*filter(None, tab.locator("h2, h3").all_text_contents())]
        sections = tuple(filter(None, tab.locator("h2").all_text_contents()))
        with pypdfium2.PdfDocument(tab.pdf(format="A4")) as paper:
            assert 2 < len(paper) <= MOST_PAGES
            ends = [last_line(page) for page in paper]
        lines = [line for line, _ in ends]
        assert [line for line in lines if line in titles or line.startswith(sections)] == []
        *full, last = [left for _, left in ends]
        assert [(number, left) for number, left in enumerate(full, 1) if left > MOST_LEFT_BLANK] == []
        assert last < MOST_LEFT_BLANK_AT_END


def last_line(page: pypdfium2.PdfPage) -> tuple[str, float]:
    """The lowest line of a printed page, and the share of the page below it."""
    text = page.get_textpage()
    width, height = page.get_size()
    _, bottom, _, top = min((text.get_rect(number) for number in range(text.count_rects())), key=lambda it: it[1])
    return text.get_text_bounded(0, bottom, width, top).strip(), bottom / height


@pytest.mark.parametrize("kind", ["sample", "stopped"])
def test_on_a_telephone_the_first_figure_is_on_the_first_two_screens(
    browser: Browser, homes: Callable[[str], Path], kind: str
) -> None:
    with opened(browser, homes(kind), "telephone") as tab:
        end = tab.evaluate("document.querySelector('.chart svg').getBoundingClientRect().bottom")
        assert end <= 2 * SIZES["telephone"][1]


def keep(tab: Page, name: str, below: str) -> None:
    """A picture of the top of the page, down to where an element begins; into the README's images when asked for."""
    tab.evaluate("scrollTo(0, 0)")
    end = tab.evaluate("selector => document.querySelector(selector).getBoundingClientRect().top", below)
    picture = IMAGES / name if os.environ.get("UPDATE_IMAGES") == "1" else Path(os.devnull)
    image = tab.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": end}, animations="disabled")
    assert image
    if picture.name == name:
        picture.write_bytes(image)
        shrink(picture)
        assert picture.stat().st_size < MAX_IMAGE_BYTES
    assert (IMAGES / name).is_file()
