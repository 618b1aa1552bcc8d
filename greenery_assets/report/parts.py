"""The parts of the page with figures: what each says in sentences, its charts, and their numbers as tables. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from greenery_assets.privacy import masked
from greenery_assets.report import charts
from greenery_assets.report.figures import (
    DayVolume,
    Deliveries,
    Figures,
    FunnelStep,
    Hour,
    Indicator,
    Spread,
)
from greenery_assets.report.wording import counted, dollars, duration, points, share, unit_of

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
LONGEST_NAME = 120
FUNNEL_COLUMNS = ("step", "sessions", "of the step before", "drop-off")
INDICATORS = {
    "browsed_longer": "Browsed longer than the median buyer",
    "browsed_without_buying": "Had a visit without buying",
    "under_a_minute_on_site": "Less than a minute on the site",
    "package_never_received": "Package a week late or never received",
    "delivery_took_too_long": "Delivery took longer than promised",
}
FIRST, RETURNING = "first orders", "orders of buyers who came back"
DAYS_IN_TABLE = 60
CONVERSION_TABLES = ("conversion", "conversion_by_product", "daily", "viewed_not_bought_by_state")
BUYING_TABLES = ("repeat_rate", "users_by_purchases", "repeat_rate_by_month", "repeat_indicators")
INDICATOR_COLUMNS = (
    *("indicator", "buyers with it", "of them bought again", "buyers without it", "of these bought again"),
    *("difference", "95 % interval", "not judged"),
)


MONTHS_SHOWN, STATES_SHOWN, STOCKOUTS_SHOWN = 12, 10, 20


@dataclass(frozen=True)
class NumberTable:
    """The numbers behind a chart, each as people write it. The first `labels` columns are text.

    `left_out` counts the rows that it does not show.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int = 0
    labels: int = 1


@dataclass(frozen=True)
class View:
    """One way to look at a section: a Vega-Lite chart, or none where there is nothing to draw, and its numbers.

    `label` is what the toggle between the section's views says, `summary` what the chart shows, for those who do not
    see it.
    """

    label: str
    summary: str
    chart: charts.Spec | None
    table: NumberTable


@dataclass(frozen=True)
class Section:
    """A part of the page: `lead` says in sentences, numbers included, what the views show.

    `tables` are those the figures come from (schema/name), `note` how to read them.
    """

    id: str
    title: str
    lead: tuple[str, ...]
    views: tuple[View, ...]
    tables: tuple[str, ...]
    note: str = ""


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


def buying_again(figures: Figures) -> Section:
    """Repeat rate, and the indicators for and against buying again as a dot plot with intervals."""
    repeat = figures.repeat
    lead = []
    if repeat and repeat.buyers:
        verb = "has" if repeat.repeat_buyers == 1 else "have"
        lead.append(
            f"{repeat.repeat_buyers:,} of {counted(repeat.buyers, 'buyer')} {verb} bought twice or more: a repeat rate "
            f"of {share(repeat.rate)}."
        )
        if figures.purchases:
            one, two, more = figures.purchases
            lead.append(f"{counted(one, 'buyer')} bought once, {two:,} twice, {more:,} three times or more.")
    elif repeat:
        lead.append("Nobody has bought anything yet, so there is no repeat rate.")
    judged = [each for each in figures.indicators if each.difference is not None]
    lead += _told(judged)
    if len(judged) < len(figures.indicators):
        rest = [_named(each) for each in figures.indicators if each not in judged]
        lead.append(f"With nobody to compare: {'; '.join(rest)}.")
    drawn = [
        {
            "label": _named(each),
            "value": each.difference,
            "low": each.low,
            "high": each.high,
            "said": f"{points(each.difference)} ({points(each.low)} to {points(each.high)})",
        }
        for each in judged
    ]
    table = NumberTable(INDICATOR_COLUMNS, tuple(map(_indicator_row, figures.indicators)))
    what = "difference in the share that bought again"
    summary = f"{what}, buyers with an indicator against those without: " + "; ".join(
        f"{each['label']}, {each['said']}" for each in drawn
    )
    chart = charts.finished(charts.intervals(drawn, "difference in buying again")) if drawn else None
    views = [View("Reasons", summary, chart, table)]
    if figures.by_month:
        rows = tuple(
            (f"{month:%B %Y}", f"{of.buyers:,}", f"{of.repeat_buyers:,}", share(of.rate))
            for month, of in figures.by_month.items()
        )
        columns = ("month of first order", "buyers", "bought again", "repeat rate")
        views.append(View("By month", "", None, _first(MONTHS_SHOWN, columns, rows)))
    return Section(
        "buying-again",
        "Who buys again",
        tuple(lead),
        tuple(views),
        tuple(f"marketing/fact_{name}" for name in BUYING_TABLES),
        "Each dot compares buyers with an indicator to buyers without it. A dot to the right means that more buyers "
        "with it bought again. The line is the 95 % interval; if it crosses zero, the difference may be chance. Only "
        "facts from before the second order count. Buyers who bought again before the indicator was known, and buyers "
        "for whom it is not known yet, are not judged. An indicator need not be the cause. Buyers of the last months "
        "had less time to buy again.",
    )


def _first(shown: int, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> NumberTable:
    return NumberTable(columns, rows[:shown], max(len(rows) - shown, 0))


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
        table = _newest_first(("sessions begun", "conversion"), rows, figures.days_left_out)
        low, high = min(day.conversion_rate or 0 for day in days), max(day.conversion_rate or 0 for day in days)
        summary = f"Conversion by the day a session began, between {share(low)} and {share(high)}."
        views.append(View("By day", summary, charts.finished(charts.line_by_day(drawn, "conversion")), table))
    names = _apart([each.name for each in figures.conversion_by_product])
    products = [
        (name, each.bought, each.viewed, each.rate)
        for name, each in zip(names, figures.conversion_by_product, strict=True)
    ]
    if products:
        left_out = figures.products - len(products)
        views.append(_share_view("By product", "sessions that bought it, of those that viewed it", products, left_out))
    if figures.states:
        states = _apart([each.state for each in figures.states])
        numbers = tuple(
            (state, f"{each.users:,}", f"{each.viewed:,}", f"{each.not_bought:,}", share(each.share))
            for state, each in zip(states, figures.states, strict=True)
        )
        columns = ("state of the user", "users", "products viewed", "not bought", "share not bought")
        views.append(View("By state", "", None, _first(STATES_SHOWN, columns, numbers)))
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
        view = _spread_view("On the site", known)
        lead.append(f"For an order, on average of its events. {view.summary}.")
        views.append(view)
    if shipping:
        view = _spread_view("Until it is shipped", shipping)
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


def deliveries(figures: Figures) -> Section:
    """How long from the order to shipping, and from there to the door."""
    found = figures.deliveries
    stages = {
        "From order to shipping": found.to_shipping if found else None,
        "From shipping to delivery": found.to_delivery if found else None,
    }
    known = {label: spread for label, spread in stages.items() if spread}
    lead = _delivery_lead(found) if found else ()
    views = (_spread_view("", known),) if known else ()
    return Section("deliveries", "From order to delivery", lead, views, ("marketing/int_user_orders",))


def orders(figures: Figures) -> Section:
    """First and returning orders and revenue over time, and orders and sessions an hour."""
    first, returning = sum(day.first_orders for day in figures.days), sum(day.returning_orders for day in figures.days)
    total, revenue = first + returning, sum((day.revenue for day in figures.days), start=Decimal(0))
    views = []
    lead = ["There are no orders yet."]
    if total:
        lead = [
            f"{counted(total, 'order')} {_in_days(figures)}: {first:,} {'was' if first == 1 else 'were'} the first of "
            f"a buyer and {returning:,} of buyers who came back ({share(returning / total)}). Revenue was "
            f"{dollars(revenue)}, {dollars(revenue / total)} an order."
        ]
        drawn = [
            {"day": day.day.isoformat(), "kind": kind, "value": value, "place": place}
            for day in figures.days
            for place, (kind, value) in enumerate(((FIRST, day.first_orders), (RETURNING, day.returning_orders)))
        ]
        rows = [
            (day.day.isoformat(), f"{day.first_orders:,}", f"{day.returning_orders:,}", f"{day.orders:,}")
            for day in figures.days
        ]
        table = _newest_first((FIRST, RETURNING, "all orders"), rows, figures.days_left_out)
        summary = f"First orders and orders of buyers who came back, by day. {lead[0]}"
        chart = charts.stacked_by_day(drawn, [FIRST, RETURNING], "orders")
        views.append(View("Orders", summary, charts.finished(chart), table))
        bars = [{"day": day.day.isoformat(), "value": float(day.revenue)} for day in figures.days]
        paid = [(day.day.isoformat(), dollars(day.revenue), f"{day.orders:,}") for day in figures.days]
        table = _newest_first(("revenue", "orders"), paid, figures.days_left_out)
        chart = charts.bars_by_day(bars, "revenue in US dollars", "$,.0f")
        views.append(View("Revenue", "Revenue by day.", charts.finished(chart), table))
    if figures.hours:
        lead.append(_hours_lead(figures.hours))
        numbers = tuple(
            (f"{hour.hour:02}:00", f"{hour.orders / hour.days:,.1f}", f"{hour.sessions / hour.days:,.1f}")
            for hour in figures.hours
        )
        kinds = ("orders", "sessions begun")
        drawn = [
            {"hour": f"{hour.hour:02}", "kind": kind, "value": number / hour.days}
            for hour in figures.hours
            for kind, number in zip(kinds, (hour.orders, hour.sessions), strict=True)
        ]
        chart = charts.lines_by_hour(drawn, kinds)
        table = NumberTable(("hour (UTC)", *(f"{kind} an hour" for kind in kinds)), numbers)
        views.append(
            View(
                "By hour", f"Orders and sessions an hour, by hour of the day. {lead[-1]}", charts.finished(chart), table
            )
        )
    note = "Revenue is the sum of order totals: products and shipping, less discounts."
    return Section(
        "orders", "Orders and revenue", tuple(lead), tuple(views), ("product/fact_daily", "product/fact_hourly"), note
    )


def stock(figures: Figures) -> Section:
    """What is out of stock, and since when."""
    rows = tuple(
        (_shown(each.product), f"{each.since:%Y-%m-%d %H:%M}", f"{each.until:%Y-%m-%d %H:%M}" if each.until else "now")
        for each in figures.stockouts
    )
    lead = []
    if figures.out_of_stock is not None:
        verb = "is" if figures.out_of_stock == 1 else "are"
        lead.append(
            f"{counted(figures.out_of_stock, 'product')} {verb} out of stock."
            if figures.out_of_stock
            else "No product is known to be out of stock."
        )
    columns = ("product", "out of stock since (UTC)", "until")
    views = (View("", "", None, _first(STOCKOUTS_SHOWN, columns, rows)),) if rows else ()
    note = "Each run looks at the stock once."
    return Section("stock", "Out of stock", tuple(lead), views, ("core/fact_stockouts",), note)


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


def _spread_view(label: str, spreads: dict[str, Spread]) -> View:
    """Durations of orders side by side in one unit, and each in words: median, middle half and nine tenths."""
    unit, size = unit_of([spread.p95 for spread in spreads.values()])
    drawn, rows = [], []
    for name, spread in spreads.items():
        median, half = duration(spread.median), duration(spread.p25, spread.p75)
        most = duration(spread.p5, spread.p95)
        ends = {key: getattr(spread, key) / size for key in ("p5", "p25", "median", "p75", "p95")}
        said = f"median {median}, half of all {half}, nine of ten {most}"
        drawn.append({"label": name, "said": said, **ends})
        rows.append((name, f"{spread.count:,}", median, half, most))
    table = NumberTable(("", "orders", "median", "half of all", "nine of ten"), tuple(rows))
    summary = "; ".join(f"{row['label']}: {row['said']}" for row in drawn)
    return View(label, summary, charts.finished(charts.spreads(drawn, unit)), table)


def _newest_first(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], left_out: int = 0) -> NumberTable:
    """A table of days, of which each row begins with one: the newest on top, and how many it leaves out."""
    shown = tuple(reversed(rows))[:DAYS_IN_TABLE]
    return NumberTable(("day (UTC)", *columns), shown, len(rows) - len(shown) + left_out)


def _volume_view(name: str, days: Sequence[DayVolume]) -> View:
    table = _newest_first((name, "expected"), [(f"{day.day}", f"{day.rows:,}", _expected(day)) for day in days])
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
    names = _apart([each.product for each in steps[:: len(kinds)]])
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


def _apart(names: Sequence[str]) -> list[str]:
    """Names as `_shown`, each once."""
    found: list[str] = []
    for name in names:
        found.append(charts.apart(_shown(name), found))
    return found


def _shown(name: str) -> str:
    """A source's text, cut where nobody would read on, and nothing in it that names a person."""
    clean = masked(name)
    return clean if len(clean) <= LONGEST_NAME else f"{clean[:LONGEST_NAME]}…"


def _told(judged: list[Indicator]) -> list[str]:
    """Which indicators say something beyond chance, in a sentence."""
    clear = [each for each in judged if each.low is not None and each.high is not None and each.low * each.high > 0]
    if not judged:
        return []
    if not clear:
        return ["None of the indicators is clear of chance yet."]
    said = "; ".join(
        f"{_named(each)}: {points(each.difference)} "
        f"({share(each.share_with)} with it, {share(each.share_without)} without)"
        for each in clear
    )
    return [f"Clear of chance: {said}."]


def _named(each: Indicator) -> str:
    return INDICATORS.get(each.indicator, each.indicator)


def _indicator_row(each: Indicator) -> tuple[str, ...]:
    return (
        _named(each),
        f"{each.users_with:,}",
        share(each.share_with),
        f"{each.users_without:,}",
        share(each.share_without),
        points(each.difference),
        f"{points(each.low)} to {points(each.high)}" if each.difference is not None else "none",
        f"{each.users_not_judged:,}",
    )


def _delivery_lead(found: Deliveries) -> tuple[str, ...]:
    if not found.orders:
        return ("There are no orders yet.",)
    lead = [
        f"Of {counted(found.orders, 'order')} {found.shipped:,} {'is' if found.shipped == 1 else 'are'} shipped and "
        f"{found.delivered:,} delivered."
    ]
    if found.to_shipping:
        lead.append(f"From order to shipping it takes {duration(found.to_shipping.median)} in the median.")
    if found.to_delivery:
        lead.append(f"From shipping to delivery it takes {duration(found.to_delivery.median)} in the median.")
    if found.promised_and_delivered:
        lead.append(
            f"{found.late:,} of {found.promised_and_delivered:,} delivered with a promised time came later than "
            f"promised ({share(found.late / found.promised_and_delivered)})."
        )
    return (" ".join(lead),)


def _hours_lead(hours: Sequence[Hour]) -> str:
    total = sum(hour.days for hour in hours)
    orders, sessions = sum(hour.orders for hour in hours), sum(hour.sessions for hour in hours)
    busiest = max(hours, key=lambda hour: hour.orders / hour.days)
    most = f"{busiest.hour:02}:00 and {busiest.hour:02}:59 (UTC): {busiest.orders / busiest.days:,.1f}"
    return (
        f"On average {orders / total:,.1f} orders were placed and {sessions / total:,.1f} sessions begun an hour."
        f"{f' Most orders come between {most}.' if orders else ''}"
    )


def _in_days(figures: Figures) -> str:
    first, last = figures.days[0].day, figures.days[-1].day
    if first == last:
        return f"on {first:%-d %b %Y}"
    return f"from {first:%-d %b %Y} to {last:%-d %b %Y}"
