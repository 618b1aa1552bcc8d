"""The parts with figures: their sentences and tables say the numbers, also where there are few or none."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from greenery_assets.report.figures import (
    Conversion,
    Figures,
    FunnelStep,
    Indicator,
    ProductConversion,
    RepeatRate,
    Spread,
    with_band,
)
from greenery_assets.report.parts import figure_sections
from greenery_assets.report.section import Section
from tests.report.builders import EMPTY, NOW, days, figures, rows_by_day

LONG = "Monstera " * 1_000
TABLES_ALONE = {("buying-again", "By month"), ("conversion", "By state"), ("stock", "")}


def section(name: str, **changed: Any) -> Section:
    return next(each for each in figure_sections(figures(**changed)) if each.id == name)


def said(name: str, **changed: Any) -> str:
    return " ".join(section(name, **changed).lead)


def marks(spec: Any) -> int:
    """How many rows of data a chart draws."""
    return sum(len(rows) for rows in spec["datasets"].values())


def test_every_figure_that_is_asked_for_has_its_part_with_a_chart_and_its_numbers() -> None:
    parts = {each.id: each for each in figure_sections(figures())}
    views = {name: [view.label for view in part.views] for name, part in parts.items()}
    assert views == {
        "volumes": ["Events", "Orders"],
        "buying-again": ["Reasons", "By month"],
        "conversion": ["Overall", "By day", "By product", "By state"],
        "funnel": ["All sessions", "By product"],
        "time": ["On the site", "Until it is shipped"],
        "deliveries": [""],
        "orders": ["Orders", "Revenue", "By hour"],
        "stock": [""],
    }
    for part in parts.values():
        assert part.lead or part.id == "time", part.id
        for view in part.views:
            # What numbers say as well has no chart.
            if (part.id, view.label) not in TABLES_ALONE:
                assert view.chart
                assert marks(view.chart)
                assert view.summary
            assert view.table.rows
            assert all(len(row) == len(view.table.columns) for row in view.table.rows), part.id


def test_the_sentences_say_the_numbers() -> None:
    assert "99 of 124 buyers have bought twice or more: a repeat rate of 79.8 %." in said("buying-again")
    assert (
        "361 of 578 sessions ended in an order: 62.5 %. The most active user made 219 sessions of them; without that "
        "one it is 83.6 % (300 of 359)."
    ) in said("conversion")
    assert said("funnel") == (
        "Of 578 sessions 361 checked out: of those that came to “visited” 19.2 % went no further, of those that came "
        "to “added to the cart” 22.7 % went no further."
    )
    assert "From checkout until the package is shipped: median 5.0 hours" in said("time")
    assert "173 of 259 delivered with a promised time came later than promised (66.8 %)." in said("deliveries")
    assert "from 14 Nov 2026 to 23 Nov 2026: 20 were the first of a buyer" in said("orders")
    assert "Revenue was $12,345.00, $95.70 an order." in said("orders")
    assert "25 buyers bought once, 28 twice, 71 three times or more." in said("buying-again")
    assert (
        "On average 10.8 orders were placed and 15.8 sessions begun an hour. Most orders come between 23:00 and 23:59 "
        "(UTC): 16.5."
    ) in said("orders")
    assert said("stock") == "1 product is out of stock."
    assert section("buying-again").views[1].table.rows[0] == ("November 2026", "24", "9", "37.5 %")
    assert section("conversion").views[3].table.rows[0] == ("Texas", "25", "353", "137", "38.8 %")
    assert section("orders").views[2].table.rows[23] == ("23:00", "16.5", "21.5")
    assert section("stock").views[0].table.rows == (
        ("Pothos", "2026-11-23 06:04", "now"),
        ("Pothos", "2026-11-01 06:00", "2026-11-03 06:00"),
    )


def test_only_what_is_clear_of_chance_is_called_so() -> None:
    assert (
        "Clear of chance: Delivery took longer than promised: -40.0 points (50.0 % with it, 90.0 % without)."
        in said("buying-again")
    )
    assert "With nobody to compare: Package a week late or never received." in said("buying-again")
    unclear = [Indicator("browsed_longer", 57, 58, 0, 0.75, 0.84, -0.09, -0.23, 0.06)]
    assert "None of the indicators is clear of chance yet." in said("buying-again", indicators=unclear)


def test_an_unusual_day_is_named() -> None:
    rows = rows_by_day(12)
    rows[max(rows)] = 1
    volumes = {"events": with_band(rows, NOW.date(), 3)}
    assert "1 day of 5 had an unusual number of events: 2026-11-23." in said("volumes", volumes=volumes)
    (row, *_) = section("volumes", volumes=volumes).views[0].table.rows
    assert row[:2] == ("2026-11-23", "1")


def test_without_any_row_each_part_says_so_and_draws_nothing_wrong() -> None:
    for part in figure_sections(EMPTY):
        assert part.lead, part.id
        assert "0.0 %" not in " ".join(part.lead), part.id
        for view in part.views:
            assert view.table.rows or view.chart is None
    empty = {part.id: " ".join(part.lead) for part in figure_sections(EMPTY)}
    assert "There are no events yet. There are no orders yet." in empty["volumes"]
    assert "Nobody has bought anything yet" in empty["buying-again"]
    assert "There are no sessions yet." in empty["conversion"] + empty["funnel"]
    assert empty["stock"] == "No product is known to be out of stock."


def test_before_the_first_run_no_part_claims_anything() -> None:
    for part in figure_sections(Figures()):
        assert [view for view in part.views if view.chart] == [], part.id
        assert "stock" not in " ".join(part.lead)


def test_one_of_each_is_said_in_the_singular() -> None:
    assert "1 of 1 buyer has bought twice or more" in said("buying-again", repeat=RepeatRate(1, 1, 1.0))
    assert "1 of 1 session ended in an order" in said("conversion", conversion=Conversion(1, 1, 1.0, 0, 0, None))
    assert "on 23 Nov 2026" in said("orders", days=days(1))


def test_products_that_are_called_alike_or_at_length_stay_apart() -> None:
    names = ["Pothos", "Pothos", LONG, LONG]
    products = [ProductConversion(name, 10, 5, 0.5) for name in names]
    shown = [row[0] for row in section("conversion", conversion_by_product=products, products=9).views[2].table.rows]
    assert len(set(shown)) == 4
    assert max(map(len, shown)) < 130
    assert section("conversion", conversion_by_product=products, products=9).views[2].table.left_out == 5
    steps = [FunnelStep(step, 10, None, None, name) for name in names for step in ("viewed", "added_to_cart", "bought")]
    chart = section("funnel", funnel_by_product=steps, products=4).views[1].chart
    assert chart
    (rows,) = chart["datasets"].values()
    assert len({row["label"] for row in rows}) == 4


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["Fern (small)", "Fern"], ["Fern (small)", "Fern"]),
        (["A (2)", "A", "A"], ["A (2)", "A", "A (3)"]),
        (["Write to alice@example.com"], ["Write to [mail]"]),
    ],
)
def test_a_number_is_added_only_where_a_name_is_taken(names: list[str], shown: list[str]) -> None:
    products = [ProductConversion(name, 10, 5, 0.5) for name in names]
    view = section("conversion", conversion_by_product=products, products=len(names)).views[2]
    assert [row[0] for row in view.table.rows] == shown
    assert view.chart
    (rows,) = view.chart["datasets"].values()
    assert len({row["label"] for row in rows}) == len(names)


@pytest.mark.parametrize("event_type", ["page_view", "never_heard_of"])
def test_an_event_type_that_nobody_knows_is_shown_as_it_is(event_type: str) -> None:
    view = section("time", spent={event_type: Spread(1, 1, 2, 3, 4, 5)}).views[0]
    assert view.label == "On the site"
    assert len(view.table.rows) == 1


def test_a_long_history_is_drawn_whole_and_listed_in_part() -> None:
    view = section("orders", days=days(300), days_left_out=100).views[1]
    assert view.chart
    assert marks(view.chart) == 300
    assert (len(view.table.rows), view.table.left_out) == (60, 340)
    assert view.table.rows[0][0] == "2026-11-23"


def test_tables_that_are_cut_say_how_many_rows_they_leave_out() -> None:
    known = figures()
    many: dict[str, Any] = {
        "states": [replace(known.states[0], state=f"State {n}") for n in range(13)],
        "stockouts": [replace(known.stockouts[0], product=f"Plant {n}") for n in range(25)],
        "by_month": {date(2025 - n // 12, 1 + n % 12, 1): known.repeat for n in range(14)},
    }
    for name, label, shown, left_out in (
        ("conversion", "By state", 10, 3),
        ("buying-again", "By month", 12, 2),
        ("stock", "", 20, 5),
    ):
        table = next(view.table for view in section(name, **many).views if view.label == label)
        assert (len(table.rows), table.left_out) == (shown, left_out)
