"""The page as text: whatever a source or a run says is text in it, and nothing in it asks the network for anything."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest

from greenery_assets.report.facts import PastRun, ReportFacts, SourceFacts, Standing
from greenery_assets.report.figures import FunnelStep, ProductConversion
from greenery_assets.report.page import by_assumption, by_mart, render_page, strip
from greenery_assets.report.parts import figure_sections
from tests.report.builders import EMPTY, NOW, READER, RUN, YESTERDAY, check, facts, figures

SCRIPT = "</script><script>alert(1)</script>"
LIBRARY = "window.vegaEmbed = () => '</script>';"
FAILED = check(
    standing=Standing.FAILED,
    reason="ERROR: two orders have two.",
    failing_rows=4,
    rows_checked=3_996,
    kept_in="quality.order_has_at_most_one_checkout",
    since=YESTERDAY,
)


def page(day: ReportFacts, **changed: object) -> str:
    return render_page(day, figure_sections(figures(**changed)), READER, LIBRARY)


def visible(html: str) -> str:
    """The page's text, as it reads."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", html[html.index("<body>") :], flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_a_failing_check_says_what_is_wrong_since_when_whose_it_is_and_what_to_do() -> None:
    stale = {"core/dim_orders": NOW, "marketing/fact_repeat_rate": YESTERDAY}
    text = visible(page(facts(FAILED, check("another"), built_at=stale)))
    for words in (
        "Not all figures are current: 1 ERROR. Marketing figures are from yesterday 06:04.",
        "1 table of the marts not refreshed by it",
        "From yesterday 06:04: marketing/fact_repeat_rate",
        "An order has at most one checkout event.",
        "ERROR: two orders have two.",
        "Drop the copy at the source.",
        "4 of 3,996",
        "data-platform",
        "quality.order_has_at_most_one_checkout",
        "From yesterday 06:04: the daily run did not refresh it.",
    ):
        assert words in text, words


def test_each_check_and_run_is_a_link_into_dagster() -> None:
    html = page(facts(FAILED))
    assert (
        'href="http://dagster.example/assets/staging/stg_events?view=checks&amp;'
        'checkDetail=order_has_at_most_one_checkout"' in html
    )
    assert 'href="http://dagster.example/runs/4f6c8a1e"' in html


def test_the_daily_run_is_told_as_it_went() -> None:
    ended = replace(RUN, ended_at=NOW, how_it_ended="failed", problem="The folder /data is missing.\nName another.")
    text = visible(page(facts(check(), run=ended)))
    assert "The last daily run began today 06:00 and failed today 06:05." in text
    assert "The folder /data is missing. Name another." in text
    assert "The daily job has not run yet." in visible(page(facts(check(), run=None, built_at={})))


@pytest.mark.parametrize("hostile", [SCRIPT, "🌵 <b>bold</b> &amp; \u202e", "x" * 10_000])
def test_text_of_a_source_is_text(hostile: str) -> None:
    failed = replace(FAILED, reason=hostile, kept_in=hostile, statement=hostile, remedy=hostile)
    html = page(
        facts(failed, notice=hostile),
        conversion_by_product=[ProductConversion(hostile, 4, 2, 0.5)],
        funnel_by_product=[FunnelStep(step, 4, None, None, hostile) for step in ("viewed", "added_to_cart", "bought")],
        products=1,
    )
    # The library's own, and the page's: two modules and the data of the charts.
    assert html.count("</script>") == 3
    assert "<b>bold" not in html
    assert hostile in unescape(html)


def test_nothing_in_the_page_comes_from_anywhere() -> None:
    html = page(facts(FAILED))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy
    assert policy[1].startswith("default-src 'none';")
    assert not re.search(r'(src|action)="|url\(|@import', html)
    assert set(re.findall(r'href="([^"#]*)', html)) <= {
        "",
        "data:,",
        *re.findall(r'href="(http://dagster\.example[^"]*)"', html),
    }


def test_every_chart_has_its_place_and_its_words() -> None:
    html = page(facts())
    charts = re.findall(r'id="chart-([\w-]+)" role="img" aria-label="([^"]+)"', html)
    assert len(charts) == 14
    assert all(words for _, words in charts)


def test_the_page_of_a_day_without_rows_or_runs_is_whole() -> None:
    empty = render_page(facts(check(), run=None, sources=(), built_at={}), figure_sections(EMPTY), READER, LIBRARY)
    assert "There are no sessions yet." in visible(empty)


def test_a_strip_draws_a_shape_for_each_kind_of_run() -> None:
    past = tuple(PastRun(standing, NOW - timedelta(days=n)) for n, standing in enumerate(Standing))
    drawn = strip(check(past=past))
    assert sorted(re.findall(r'class="(\w+)"', drawn)) == ["failed", "passed", "strip", "unknown", "warned"]
    assert len(set(re.findall(r' d="M[\d.]+ ([^"]+)"', drawn))) == 4
    assert 'aria-label="4 runs: 1 passed, 1 warned, 1 failed, 1 not evaluated; the last not evaluated."' in drawn


def test_what_fails_comes_first_then_the_marts() -> None:
    of_marketing = check("d", group="marketing", asset="marketing/fact_user_orders")
    holding = by_mart([check("a"), of_marketing])
    assert [group[0].group for group in holding] == ["marketing", "staging"]
    failing = [check("b", standing=Standing.WARNED), check("c", standing=Standing.FAILED)]
    groups = by_mart([check("a"), of_marketing, *failing])
    assert [group[0].group for group in groups] == ["staging", "marketing"]
    assert [each.subject.name for each in groups[0]] == ["c", "b", "a"]
    assert "1 ERROR, 1 warning in 3 checks" in visible(page(facts(check("a"), of_marketing, *failing)))


def test_nothing_is_said_to_hold_that_was_not_evaluated() -> None:
    html = page(facts(check(standing=Standing.UNKNOWN), check("another", assumption="A04")))
    assumption = html[html.index('id="assumption-A03"') :]
    assert "1 of 1 check not evaluated" in visible(f"<body>{assumption[: assumption.index('<dl>')]}")
    row = html[html.index('id="check-order_has_at_most_one_checkout"') :]
    assert "it holds" not in visible(f"<body>{row[: row.index('</tr>')]}")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SourceFacts("events", None, None, 0, None), "never loaded"),
        (SourceFacts("events", NOW, 0, 0, None), "no row"),
        (SourceFacts("products", NOW, 30, 0, None), "rows without a time"),
        (SourceFacts("events", NOW, 5, 0, NOW + timedelta(days=9)), "(yet to come)"),
        (SourceFacts("events", NOW, 5, 0, NOW - timedelta(hours=7)), "(7 h before this page)"),
    ],
)
def test_the_newest_row_of_a_source_is_told_for_what_it_is(source: SourceFacts, words: str) -> None:
    fresh = check("events_are_fresh", assumption="A20", asset="raw/events", group="raw")
    text = visible(page(facts(fresh, sources=(source,))))
    assert words in text
    assert "Not fresh" not in text


FRESH = check("events_are_fresh", assumption="A20", asset="raw/events", group="raw")
SOURCE = SourceFacts("events", NOW, 5, 0, NOW - timedelta(hours=7))


@pytest.mark.parametrize(
    ("day", "is_collapsed"),
    [
        (facts(FRESH, sources=(SOURCE,)), True),
        (facts(replace(FRESH, standing=Standing.WARNED), sources=(SOURCE,)), False),
        (facts(replace(FRESH, standing=Standing.UNKNOWN), sources=(SOURCE,)), False),
        (facts(check(), sources=(SOURCE,)), False),
        (facts(FRESH, sources=(SOURCE, replace(SOURCE, name="products", loaded_at=None))), False),
        (facts(FRESH, sources=(replace(SOURCE, rejected=1),)), False),
        (facts(FRESH, sources=(SOURCE,), not_built=("raw/events",)), False),
        # Made on a later day, without a run.
        (facts(FRESH, sources=(SOURCE,), made_at=NOW + timedelta(days=1)), False),
        (facts(FRESH, sources=()), False),
    ],
    ids=["fresh", "late", "unknown", "unchecked", "never loaded", "rejected", "not built", "yesterday", "no source"],
)
def test_freshness_is_collapsed_only_where_all_is_fresh(day: ReportFacts, is_collapsed: bool) -> None:
    html = page(day)
    section = html[html.index('<section id="freshness"') :]
    assert section[section.index("<details") :].startswith("<details>" if is_collapsed else "<details open>")
    assert ("loaded and fresh" in section) == is_collapsed


def test_figures_come_first() -> None:
    parts = re.findall(r'<section id="([\w-]+)"', page(facts()))
    assert parts[0] == "buying-again"
    assert parts[-4:] == ["volumes", "freshness", "checks", "assumptions"]


def test_an_assumption_is_listed_once_for_each_remedy() -> None:
    checks = [
        check("a"),
        check("b", statement="Another."),
        check("c", remedy="Otherwise."),
        check("d", assumption="A01"),
    ]
    listed = by_assumption(checks)
    assert [(each[0].assumption, len(each)) for each in listed] == [("A01", 1), ("A03", 2), ("A03", 1)]
    html = page(facts(*checks))
    statements = "<ul><li>An order has at most one checkout event.</li><li>Another.</li></ul>"
    assert statements in html[html.index('id="assumption-A03"') :]
    assert html.count('id="assumption-A03"') == 1
