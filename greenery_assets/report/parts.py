"""The sections of the page with figures, in their order, and those about visits: conversion, the funnel, time. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from greenery_assets.report import charts
from greenery_assets.report.buyers import buying_again, deliveries, orders, stock
from greenery_assets.report.figures import DayVolume, Figures, FunnelStep, Spread
from greenery_assets.report.section import NumberTable, Section, View, apart, first_rows, newest_first, spread_view
from greenery_assets.report.wording import counted, share

STEPS = {
    "visited": "Visited",
    "viewed": "Viewed",
    "added_to_cart": "Added to the cart",
    "checked_out": "Checked out",
    "bought": "Bought",
}
EVENTS = {
    "page_view": "Looking at a page",
    "add_to_cart": "After adding to the cart",
    "checkout": "From checkout until the package is shipped",
    "package_shipped": "After the package is shipped",
}
# What follows these is done by the warehouse, not by the user: hours, not seconds.
SHIPPING = ("checkout", "package_shipped")
FUNNEL_COLUMNS = ("step", "sessions", "of the step before", "drop-off")
STATES_SHOWN = 10
CONVERSION_TABLES = ("conversion", "conversion_by_product", "daily", "viewed_not_bought_by_state")


def figure_sections(figures: Figures) -> list[Section]:
    """Every part, in the order they stand on the page: what the marts say, then what came in."""
    parts = (buying_again, conversion, funnel, orders, stock, time_spent, deliveries, volumes)
    return [part(figures) for part in parts]


def volumes(figures: Figures) -> Section:
    """Events and orders per day, with the band that A21 expects."""
    views = [_volume_view(name, days) for name, days in figures.volumes.items() if days]
    lead = []
    for name, days in figures.volumes.items():
        unusual = [day.day.isoformat() for day in days if not day.is_usual]
        judged = sum(day.low is not None for day in days)
        if not days:
            lead.append(f"There are no {name} yet.")
        elif not judged:
            lead.append(f"There is less than a week of {name} before each day: no band can be expected yet.")
        elif unusual:
            named = f"{', '.join(unusual[-3:])}{' and earlier' if len(unusual) > 3 else ''}"
            lead.append(f"{counted(len(unusual), 'day')} of {judged:,} had an unusual number of {name}: {named}.")
        else:
            lead.append(f"The number of {name} was as expected on each of the {judged:,} days that can be judged.")
    return Section(
        "volumes",
        "What came in",
        tuple(lead),
        tuple(views),
        (),
        "The band shows the expected number, from up to 28 days before each day. A cross marks a day outside the band. "
        "Assumption A21 checks the last whole day. Days are UTC. Today is not over, so it has no band.",
    )


def conversion(figures: Figures) -> Section:
    """Conversion with and without the most active user, by day and by product."""
    found = figures.conversion
    if found is None or not found.sessions:
        said = ("There are no sessions yet.",) if found else ()
        return Section("conversion", "Conversion", said, (), ("product/fact_conversion",))
    converted, sessions, rate = found.converted_without_top, found.sessions_without_top, found.rate_without_top
    top = counted(found.sessions - sessions, "session")
    lead = (
        f"{found.converted:,} of {counted(found.sessions, 'session')} ended in an order: {share(found.rate)}. The most "
        f"active user made {top} of them; without that one it is {share(rate)} ({converted:,} of {sessions:,}).",
    )
    both = [
        ("All sessions", found.converted, found.sessions, found.rate),
        ("Without the most active user", converted, sessions, rate),
    ]
    views = [_share_view("Overall", "sessions that ended in an order", both)]
    days = [day for day in figures.days if day.conversion_rate is not None]
    if days:
        drawn = [{"day": day.day.isoformat(), "value": day.conversion_rate} for day in figures.days]
        rows = [(day.day.isoformat(), f"{day.sessions:,}", share(day.conversion_rate)) for day in days]
        table = newest_first(("sessions begun", "conversion"), rows, figures.days_left_out)
        low, high = min(day.conversion_rate or 0 for day in days), max(day.conversion_rate or 0 for day in days)
        summary = f"Conversion by the day a session began, between {share(low)} and {share(high)}."
        views.append(View("By day", summary, charts.finished(charts.line_by_day(drawn, "conversion")), table))
    names = apart([each.name for each in figures.conversion_by_product])
    products = [
        (name, each.bought, each.viewed, each.rate)
        for name, each in zip(names, figures.conversion_by_product, strict=True)
    ]
    if products:
        left_out = figures.products - len(products)
        views.append(_share_view("By product", "sessions that bought it, of those that viewed it", products, left_out))
    if figures.states:
        states = apart([each.state for each in figures.states])
        numbers = tuple(
            (state, f"{each.users:,}", f"{each.viewed:,}", f"{each.not_bought:,}", share(each.share))
            for state, each in zip(states, figures.states, strict=True)
        )
        columns = ("state of the user", "users", "products viewed", "not bought", "share not bought")
        views.append(View("By state", "", None, first_rows(STATES_SHOWN, columns, numbers)))
    tables = tuple(f"product/fact_{name}" for name in CONVERSION_TABLES)
    note = (
        "By state: a product that was viewed counts once for each session. States of fewer than 3 users are left out."
    )
    return Section("conversion", "Conversion", lead, tuple(views), tables, note if figures.states else "")


def funnel(figures: Figures) -> Section:
    """The funnel of all sessions, and by product."""
    lead: tuple[str, ...] = ()
    views = []
    if figures.funnel and figures.funnel[0].sessions:
        lead = (_funnel_lead(figures.funnel),)
        views.append(_funnel_view(figures.funnel))
    elif figures.funnel:
        lead = ("There are no sessions yet.",)
    if any(step.sessions for step in figures.funnel_by_product):
        views.append(_product_funnel_view(figures.funnel_by_product, figures.products))
    return Section(
        "funnel",
        "The funnel",
        lead,
        tuple(views),
        ("product/fact_funnel", "product/fact_funnel_by_product"),
        "A session counts for a step if it reached that step or a later one. A checkout counts as added to the cart.",
    )


def time_spent(figures: Figures) -> Section:
    """How long users are at each kind of event; shipping apart, as it is hours."""
    known: dict[str, Spread] = {}
    for event, spread in figures.spent.items():
        if event not in SHIPPING:
            # What no contract knows may be anything, also a person's name.
            known[EVENTS.get(event) or charts.apart("Another kind of event", list(known))] = spread
    shipping = {EVENTS[event]: figures.spent[event] for event in SHIPPING if event in figures.spent}
    views = []
    lead = []
    if known:
        view = spread_view("On the site", known)
        lead.append(f"For an order, on average of its events. {view.summary}.")
        views.append(view)
    if shipping:
        view = spread_view("Until it is shipped", shipping)
        lead.append(f"{view.summary}.")
        views.append(view)
    if not views and figures.funnel:
        lead.append("No event has led to an order yet, or no other event has followed one.")
    return Section(
        "time",
        "Where the time goes",
        tuple(lead),
        tuple(views),
        ("product/fact_page_views",),
        "Time from an event to the next one of the same visit. The last event of a visit has no length. The mark in "
        "the bar is the median. The bar holds the middle half of all orders, the line nine tenths of them.",
    )


def volume_by_day(days: Sequence[DayVolume]) -> charts.Values:
    """Volumes as `charts.volume` draws them."""
    return [
        {
            "day": day.day.isoformat(),
            "rows": day.rows,
            "low": day.low,
            "high": day.high,
            "usual": day.is_usual,
            "expected": _expected(day),
        }
        for day in days
    ]


def step_in_words(step: FunnelStep) -> str:
    """How many sessions came to a step, and which share that is: "514 (79.7 % of the step before)"."""
    of_before = "" if step.drop_off is None else f" ({share(1 - step.drop_off)} of the step before)"
    return f"{step.sessions:,}{of_before}"


def _volume_view(name: str, days: Sequence[DayVolume]) -> View:
    table = newest_first((name, "expected"), [(f"{day.day}", f"{day.rows:,}", _expected(day)) for day in days])
    last = days[-1]
    summary = f"Number of {name} by day; {last.rows:,} on {last.day}, expected {_expected(last)}."
    return View(name.capitalize(), summary, charts.finished(charts.volume(volume_by_day(days), name)), table)


def _expected(day: DayVolume) -> str:
    return "not judged" if day.low is None or day.high is None else f"{day.low:,.0f} to {day.high:,.0f}"


def _share_view(label: str, what: str, rows: Sequence[tuple[str, int, int, float | None]], left_out: int = 0) -> View:
    """Shares of rows (label, part, whole, share) as bars."""
    drawn = [
        {"label": name, "value": rate or 0, "said": f"{share(rate)} ({part:,} of {whole:,})"}
        for name, part, whole, rate in rows
    ]
    numbers = tuple((name, f"{whole:,}", f"{part:,}", share(rate)) for name, part, whole, rate in rows)
    table = NumberTable(("", "sessions", "with an order", "conversion"), numbers, left_out)
    summary = f"{what}: " + "; ".join(f"{row['label']} {row['said']}" for row in drawn[:5])
    more = f"; {len(drawn) - 5} more in the table" if len(drawn) > 5 else ""
    # Short, as an axis has little room on a telephone; the summary says of what.
    chart = charts.finished(charts.bars(drawn, "share of sessions", ".0%", share=True))
    return View(label, summary + more, chart, table)


def _funnel_lead(steps: Sequence[FunnelStep]) -> str:
    lost = [
        f"of those that came to “{STEPS[before.step].lower()}” {share(step.drop_off)} went no further"
        for before, step in pairwise(steps)
    ]
    return f"Of {counted(steps[0].sessions, 'session')} {steps[-1].sessions:,} checked out: {', '.join(lost)}."


def _funnel_view(steps: Sequence[FunnelStep]) -> View:
    rows = [{"label": STEPS[step.step], "value": step.sessions, "said": step_in_words(step)} for step in steps]
    table = NumberTable(FUNNEL_COLUMNS, tuple(map(_step_row, steps)))
    summary = "; ".join(f"{row['label']}: {row['said']}" for row in rows)
    return View("All sessions", summary, charts.finished(charts.bars(rows, "sessions", charts.WHOLE)), table)


def _product_funnel_view(steps: Sequence[FunnelStep], products: int) -> View:
    kinds = list(dict.fromkeys(STEPS[each.step] for each in steps))
    # Each product has a row for every step, one after the other.
    names = apart([each.product for each in steps[:: len(kinds)]])
    labels = [name for name in names for _ in kinds]
    drawn = [
        {"label": label, "kind": STEPS[each.step], "value": each.sessions}
        for label, each in zip(labels, steps, strict=True)
    ]
    rows = tuple((label, *_step_row(each)) for label, each in zip(labels, steps, strict=True))
    table = NumberTable(("product", *FUNNEL_COLUMNS), rows, len(kinds) * (products - len(names)), labels=2)
    chosen = f" of the {len(names):,} products with the most sessions" if products > len(names) else ""
    summary = f"Sessions that viewed, added and bought each product{chosen}; the numbers are in the table."
    return View("By product", summary, charts.finished(charts.steps_by_row(drawn, kinds, "sessions")), table)


def _step_row(step: FunnelStep) -> tuple[str, ...]:
    of_before = "" if step.previous_sessions is None else f"{step.previous_sessions:,}"
    return STEPS[step.step], f"{step.sessions:,}", of_before, "" if step.drop_off is None else share(step.drop_off)
