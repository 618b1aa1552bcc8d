"""The state of the data in a real browser, opened from disk without a network: drawn, readable, right, and safe.

Run with GREENERY_UPDATE_IMAGES=1 to draw the README's pictures of it anew.
"""

import csv
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from filelock import FileLock
from playwright.sync_api import Browser, Page

from tests.conftest import REAL_EXPORT
from tests.job import Home, Outcome
from tests.ui.test_lineage import IMAGES, MAX_IMAGE_BYTES, shrink

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ui")]

PAGE = "state_of_the_data.html"
SIZES = {"telephone": (390, 844), "desktop": (1280, 900)}
# Drawn shapes that stand for data: axes and grids are of other classes.
MARKS = ".mark-rect path, .mark-line path, .mark-area path, .mark-symbol path, .mark-rule line, .mark-rect rect"
SERIOUS = ("serious", "critical")
HOSTILE = "<script>document.title = 'caught'</script> 🌵 " + "Monstera " * 1_200


@pytest.fixture(scope="module", autouse=True)
def _built_before_the_browser(
    built: tuple[Home, Outcome],  # noqa: ARG001  only built
    stopped: Home,  # noqa: ARG001  only built
    request: pytest.FixtureRequest,
) -> None:
    """While the browser is open no job can run in this process: what is shared is built before."""
    if REAL_EXPORT.exists():
        request.getfixturevalue("real_built")


@pytest.fixture(scope="session")
def homes(shared_dir: Path, sample_dir: Path, built: tuple[Home, Outcome], stopped: Home) -> Callable[[str], Path]:
    """The page that each kind of day leaves, built when it is first asked for."""

    def report_of(kind: str) -> Path:
        folder = shared_dir / f"page_{kind}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                DAYS[kind](folder, sample_dir, built[0], stopped)
        return folder / "report" / PAGE

    return report_of


def _sample(folder: Path, _source: Path, built: Home, _stopped: Home) -> None:
    shutil.copytree(built.report, folder / "report")


def _stopped(folder: Path, source: Path, _built: Home, stopped: Home) -> None:
    assert stopped.copy(folder).command(source, "report").returncode == 0


def _before_any_run(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    assert Home.new(folder).command(source, "report").returncode == 0


def _without_events(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    """The first run ever, on an export whose events came empty: an ERROR, and no mart is there yet."""
    _make_run(folder, _emptied(source, folder / "source", "events"))


def _without_rows(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    """A shop before its first visitor: every mart is there, and empty."""
    _make_run(folder, _emptied(source, folder / "source", "events", "orders", "order_items"))


def _hostile(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    """A product whose name is a script and ten thousand characters, and one without a name."""
    shutil.copytree(source, folder / "source")
    products = folder / "source" / "products.csv"
    with products.open(newline="") as file:
        header, first, second, *rest = csv.reader(file)
    first[header.index("name")], second[header.index("name")] = HOSTILE, ""
    with products.open("w", newline="") as file:
        csv.writer(file).writerows([header, first, second, *rest])
    _make_run(folder, folder / "source")


DAYS: dict[str, Callable[[Path, Path, Home, Home], None]] = {
    "sample": _sample,
    "stopped": _stopped,
    "before_any_run": _before_any_run,
    "without_events": _without_events,
    "without_rows": _without_rows,
    "hostile": _hostile,
}


def _make_run(folder: Path, source: Path) -> None:
    done = Home.new(folder).command(source, "run")
    assert "state_of_the_data.html, in any browser" in done.stdout, done.stdout + done.stderr


def _emptied(source: Path, folder: Path, *tables: str) -> Path:
    shutil.copytree(source, folder)
    for table in tables:
        lines = (folder / f"{table}.csv").read_text().splitlines()
        (folder / f"{table}.csv").write_text(f"{lines[0]}\n")
    return folder


@contextmanager
def opened(browser: Browser, page: Path, size: str = "desktop", scheme: str = "light") -> Iterator[Page]:
    """The page, opened from disk with the network off, when its charts are drawn; nothing may be complained of."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
        offline=True,
        device_scale_factor=1.5,
    )
    tab = context.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: complaints.append(request.url) if request.url != page.as_uri() else None)
    tab.goto(page.as_uri())
    tab.wait_for_selector("html[data-charts]", state="attached")
    assert tab.evaluate("document.documentElement.dataset.charts") == "drawn"
    yield tab
    assert complaints == []
    context.close()


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
                return text.textContent && (left < box.left - 2 || right > box.right + 2);
            }).map(text => text.textContent);
        })"""
    )
    return words


def tables_of(tab: Page, section: str) -> list[list[dict[str, str]]]:
    """The numbers of each view of a section, as a reader finds them in its tables."""
    tables: list[list[dict[str, str]]] = tab.evaluate(
        """section => [...document.querySelectorAll(`#${section} .view table`)].map(table => {
            const columns = [...table.querySelectorAll("thead th")].map(cell => cell.textContent);
            return [...table.querySelectorAll("tbody tr")].map(row =>
                Object.fromEntries([...row.cells].map((cell, n) => [columns[n], cell.textContent])));
        })""",
        section,
    )
    return tables


def share(value: float | None) -> str:
    return "none" if value is None else f"{value * 100:.1f} %"


def points(value: float | None) -> str:
    return "none" if value is None else f"{value * 100:+.1f} points"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["sample", "stopped"])
def test_everybody_can_use_the_page(
    browser: Browser, homes: Callable[[str], Path], kind: str, size: str, scheme: str
) -> None:
    with opened(browser, homes(kind), size, scheme) as tab:
        assert violations(tab) == []
        tab.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
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
            assert len(drawn) == 13


NOT_THERE = r"core, marketing and product figures are not there yet\."
VERDICTS = {
    "sample": r"All \d+ checks hold\.",
    "stopped": r"1 of \d+ checks fails and \d+ were not evaluated; core, marketing and product figures are from "
    r"today \d\d:\d\d\.",
    "before_any_run": rf"\d+ of \d+ checks were not evaluated; {NOT_THERE}",
    "without_events": rf"\d+ of \d+ checks fail and \d+ were not evaluated; {NOT_THERE}",
    "without_rows": r"\d+ of \d+ checks fail\.",
    "hostile": r"All \d+ checks hold\.",
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
        keep(tab, "report_stopped.png", below="#checks > details:nth-of-type(2)")


def test_the_sample_looks_as_in_the_readme(browser: Browser, homes: Callable[[str], Path]) -> None:
    with opened(browser, homes("sample")) as tab:
        keep(tab, "report.png", below="#conversion")


def test_figures_of_the_real_export_are_the_tables(browser: Browser, real_built: tuple[Home, Outcome]) -> None:
    home = real_built[0]
    with opened(browser, home.report / PAGE) as tab:
        assert re.fullmatch(r"3 of \d+ checks fail\.", tab.inner_text("h1"))
        assert "99 of 124 buyers have bought twice or more: a repeat rate of 79.8 %." in tab.inner_text("#buying-again")
        assert_figures(tab, home)
        # It is from 2021, and half a week long.
        assert "Not fresh" in tab.inner_text("#freshness")
        assert "no band can be expected yet" in tab.inner_text("#volumes")


def test_figures_of_the_sample_are_the_tables(
    browser: Browser, homes: Callable[[str], Path], built: tuple[Home, Outcome]
) -> None:
    with opened(browser, homes("sample")) as tab:
        assert_figures(tab, built[0])


def assert_figures(tab: Page, home: Home) -> None:
    """Every number in the page's tables is that of a query on the warehouse."""
    (indicators,) = tables_of(tab, "buying-again")
    assert [
        (row["buyers with it"], row["of them bought again"], row["buyers without it"], row["of these bought again"])
        for row in indicators
    ] == [
        (f"{w:,}", share(sw), f"{wo:,}", share(swo))
        for w, sw, wo, swo in home.query(
            "select users_with, repeat_share_with, users_without, repeat_share_without "
            "from marketing.fact_repeat_indicators order by indicator_number"
        )
    ]
    assert [(row["difference"], row["95 % interval"], row["not judged"]) for row in indicators] == [
        (points(d), "none" if d is None else f"{points(low)} to {points(high)}", f"{rest:,}")
        for d, low, high, rest in home.query(
            "select difference, difference_low, difference_high, users_not_judged "
            "from marketing.fact_repeat_indicators order by indicator_number"
        )
    ]
    overall, by_day, by_product = tables_of(tab, "conversion")
    [conversion] = home.query("from product.fact_conversion")
    assert [(row["with an order"], row["sessions"], row["conversion"]) for row in overall] == [
        (f"{conversion[1]:,}", f"{conversion[0]:,}", share(conversion[2])),
        (f"{conversion[4]:,}", f"{conversion[3]:,}", share(conversion[5])),
    ]
    days = home.query("select cast(day as varchar), sessions, conversion_rate, orders, first_orders, returning_orders, "
                      "revenue from product.fact_daily order by day desc")  # fmt: skip
    assert [tuple(row.values()) for row in by_day] == [
        (d[0], f"{d[1]:,}", share(d[2])) for d in days if d[2] is not None
    ]
    products = home.query("select product_name, sessions_viewed, sessions_bought, conversion_rate "
                          "from product.fact_conversion_by_product")  # fmt: skip
    assert {tuple(row.values()) for row in by_product} == {(n, f"{v:,}", f"{b:,}", share(r)) for n, v, b, r in products}
    funnel, funnel_by_product = tables_of(tab, "funnel")
    assert [row["sessions"] for row in funnel] == [
        f"{n:,}" for (n,) in home.query("select sessions from product.fact_funnel order by step_number")
    ]
    steps = {"viewed": "Viewed", "added_to_cart": "Added to the cart", "bought": "Bought"}
    assert {(row["product"], row["step"], row["sessions"], row["drop-off"]) for row in funnel_by_product} == {
        (name, steps[step], f"{sessions:,}", "" if drop_off is None else share(drop_off))
        for name, step, sessions, drop_off in home.query(
            "select product_name, step, sessions, drop_off from product.fact_funnel_by_product"
        )
    }
    spent = [row for table in tables_of(tab, "time") for row in table]
    assert_medians(
        spent, home.query("select event_type, median(avg_duration_seconds) from product.fact_page_views group by 1")
    )
    (stages,) = tables_of(tab, "deliveries")
    [(shipped, delivered)] = home.query(
        "select median(epoch(ship_date - order_date)), median(epoch(order_delivered_date - ship_date)) "
        "from marketing.int_user_orders"
    )
    assert_medians(stages, [("shipped", shipped), ("delivered", delivered)])
    (orders,) = tables_of(tab, "orders")
    assert [tuple(row.values()) for row in orders] == [(d[0], f"{d[4]:,}", f"{d[5]:,}", f"{d[3]:,}") for d in days]
    (revenue,) = tables_of(tab, "revenue")
    assert [(row["day (UTC)"], row["revenue"]) for row in revenue] == [(d[0], f"${d[6]:,.2f}") for d in days]
    for table, shown in zip(("events", "orders"), tables_of(tab, "volumes"), strict=True):
        counted = dict(
            home.query(f"select cast(cast(created_at as date) as varchar), count(*) from raw.{table} group by 1")
        )
        assert {row["day (UTC)"]: int(row[table].replace(",", "")) for row in shown} == counted


def assert_medians(rows: list[dict[str, str]], expected: list[tuple[Any, ...]]) -> None:
    """The medians of rows, each in the unit that it names, whatever the order."""
    sizes = {"seconds": 1, "minutes": 60, "hours": 3_600, "days": 86_400}
    found = []
    for row in rows:
        number, unit = row["median"].split()
        found.append(float(number.replace(",", "")) * sizes[unit])
    assert sorted(found) == pytest.approx(sorted(float(seconds) for _, seconds in expected), rel=0.02)


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


def keep(tab: Page, name: str, below: str) -> None:
    """A picture of the top of the page, down to where an element begins; into the README's images when asked for."""
    tab.evaluate("scrollTo(0, 0)")
    end = tab.evaluate("selector => document.querySelector(selector).getBoundingClientRect().top", below)
    picture = IMAGES / name if os.environ.get("GREENERY_UPDATE_IMAGES") == "1" else Path(os.devnull)
    image = tab.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": 1280, "height": end}, animations="disabled")
    assert image
    if picture.name == name:
        picture.write_bytes(image)
        shrink(picture)
        assert picture.stat().st_size < MAX_IMAGE_BYTES
    assert (IMAGES / name).is_file()
