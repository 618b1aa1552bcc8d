"""dbt's documentation as one file: it opens from disk without a network, with our words in it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.job import Home, Outcome

pytestmark = pytest.mark.slow


def test_the_documentation_opens_from_disk(browser: Browser, built: tuple[Home, Outcome], tmp_path: Path) -> None:
    home = built[0].copy(tmp_path)
    done = home.command(tmp_path, "docs")
    assert done.returncode == 0, done.stderr
    page = home.report / "dbt_docs.html"
    assert "report/dbt_docs.html" in done.stdout

    context = browser.new_context(offline=True)
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    expect(tab.get_by_role("heading", name="Greenery's tables")).to_be_visible()
    tab.goto(f"{page.as_uri()}#!/model/model.greenery.fact_page_views")
    expect(tab.get_by_text("One row per user, order and event type, with its mean duration.").first).to_be_visible()
    # The columns are those of the warehouse: dbt's YAML calls this type double precision.
    expect(tab.get_by_role("row").filter(has_text="avg_duration_seconds")).to_contain_text("DOUBLE")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


@pytest.mark.slowest
def test_without_a_warehouse_that_can_be_read_dbts_own_words_are_shown(tmp_path: Path) -> None:
    home = Home.new(tmp_path)
    home.warehouse.write_text("This is no database.")
    done = home.command(tmp_path, "docs")
    assert done.returncode == 1
    assert "dbt could not write its documentation" in done.stderr
    assert "greenery.duckdb" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
