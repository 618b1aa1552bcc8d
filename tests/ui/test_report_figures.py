"""The figures on the page of the state of the data are those of the tables: read back and compared with queries."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.job import Home, Outcome
from tests.ui.report_days import PAGE, opened, tables_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("built_before_the_browser"),
]


@pytest.mark.slowest
def test_figures_of_the_real_export_are_the_tables(browser: Browser, real_built: tuple[Home, Outcome]) -> None:
    home = real_built[0]
    with opened(browser, home.report / PAGE) as tab:
        assert re.fullmatch(r"All figures were refreshed: 3 warnings\.", tab.inner_text("h1"))
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
    indicators, by_month = tables_of(tab, "buying-again")
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
    assert [tuple(row.values()) for row in by_month] == [
        (f"{month:%B %Y}", f"{buyers:,}", f"{again:,}", share(rate))
        for month, buyers, again, rate in home.query(
            "from marketing.fact_repeat_rate_by_month order by first_order_month desc"
        )
    ]
    once, twice, more = (
        f"{users:,}"
        for (users,) in home.query("select users from marketing.fact_users_by_purchases order by least_orders")
    )
    assert f"{once} buyers bought once, {twice} twice, {more} three times or more." in tab.inner_text("#buying-again")
    overall, by_day, by_product, by_state = tables_of(tab, "conversion")
    assert {tuple(row.values()) for row in by_state} <= {
        (state, f"{users:,}", f"{viewed:,}", f"{left:,}", share(rate))
        for state, users, viewed, left, rate in home.query("from product.fact_viewed_not_bought_by_state")
    }
    assert 1 <= len(by_state) <= 10
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
    orders, revenue, hours = tables_of(tab, "orders")
    assert [tuple(row.values()) for row in orders] == [(d[0], f"{d[4]:,}", f"{d[5]:,}", f"{d[3]:,}") for d in days]
    assert [(row["day (UTC)"], row["revenue"]) for row in revenue] == [(d[0], f"${d[6]:,.2f}") for d in days]
    assert [tuple(row.values()) for row in hours] == [
        (f"{hour:02}:00", f"{orders:,.1f}", f"{sessions:,.1f}")
        for hour, orders, sessions in home.query(
            "select hour_of_day, avg(orders), avg(sessions) from product.fact_hourly group by 1 order by 1"
        )
    ]
    out = home.query("select product_name from core.fact_stockouts where is_out_of_stock order by product_name")
    assert [row["product"] for table in tables_of(tab, "stock") for row in table] == [name for (name,) in out]
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


def share(value: float | None) -> str:
    return "none" if value is None else f"{value * 100:.1f} %"


def points(value: float | None) -> str:
    return "none" if value is None else f"{value * 100:+.1f} points"
