"""Days of every kind, the page that each leaves, and a browser's window on it.

What the pages must show is the tests' business.
"""

import csv
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.conftest import report_now, run_daily_job
from tests.job import Home

PAGE = "state_of_the_data.html"
SIZES = {"telephone": (390, 844), "desktop": (1280, 900)}
HOSTILE = "<script>document.title = 'caught'</script> 🌵 " + "Monstera " * 1_200


def _sample(folder: Path, _source: Path, built: Home, _stopped: Home) -> None:
    shutil.copytree(built.report, folder / "report")


def _stopped(folder: Path, source: Path, _built: Home, stopped: Home) -> None:
    report_now(stopped.copy(folder), source)


def _before_any_run(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    report_now(Home.new(folder), source)


def _without_events(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    """The first run ever, on an export whose events came empty: an ERROR, and no mart is there yet."""
    _run(folder, _emptied(source, folder / "source", "events"))


def _without_rows(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    """A shop before its first visitor: every mart is there, and empty."""
    _run(folder, _emptied(source, folder / "source", "events", "orders", "order_items"))


def _hostile(folder: Path, source: Path, _built: Home, _stopped: Home) -> None:
    """A product whose name is a script and ten thousand characters, and one without a name."""
    shutil.copytree(source, folder / "source")
    products = folder / "source" / "products.csv"
    with products.open(newline="") as file:
        header, first, second, *rest = csv.reader(file)
    first[header.index("name")], second[header.index("name")] = HOSTILE, ""
    with products.open("w", newline="") as file:
        csv.writer(file).writerows([header, first, second, *rest])
    _run(folder, folder / "source")


DAYS: dict[str, Callable[[Path, Path, Home, Home], None]] = {
    "sample": _sample,
    "stopped": _stopped,
    "before_any_run": _before_any_run,
    "without_events": _without_events,
    "without_rows": _without_rows,
    "hostile": _hostile,
}


def _run(folder: Path, source: Path) -> None:
    home = Home.new(folder)
    # A table without rows is taken only from somebody who says that it is meant.
    if not run_daily_job(home, source, accept_row_loss=True).success:
        # What stopped the run stopped the page too.
        report_now(home, source)


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
