"""What the page says of orders: who buys again and what goes with it, deliveries, orders and revenue. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from greenery_assets.report import charts
from greenery_assets.report.figures import Deliveries, Figures, Indicator, Spread
from greenery_assets.report.numbers import counted, dollars, duration, points, share, unit_of
from greenery_assets.report.sections import NumberTable, Section, View

INDICATORS = {
    "browsed_longer": "Browsed longer than the median buyer",
    "browsed_without_buying": "Had a visit without buying",
    "under_a_minute_on_site": "Less than a minute on the site",
    "package_never_received": "Package a week late or never received",
    "delivery_took_too_long": "Delivery took longer than promised",
}
FIRST, RETURNING = "first orders", "orders of buyers who came back"
DAYS_IN_TABLE = 60
INDICATOR_COLUMNS = (
    *("indicator", "buyers with it", "of them bought again", "buyers without it", "of these bought again"),
    *("difference", "95 % interval", "not judged"),
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
    elif repeat:
        lead.append("Nobody has bought anything yet, so there is no repeat rate.")
    judged = [each for each in figures.indicators if each.difference is not None]
    lead += _told(judged)
    if len(judged) < len(figures.indicators):
        rest = [INDICATORS.get(each.indicator, each.indicator) for each in figures.indicators if each not in judged]
        lead.append(f"With nobody to compare: {'; '.join(rest)}.")
    drawn = [
        {
            "label": INDICATORS.get(each.indicator, each.indicator),
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
    return Section(
        "buying-again",
        "Who buys again",
        tuple(lead),
        (View("", summary, chart, table),),
        ("marketing/fact_repeat_rate", "marketing/fact_repeat_indicators"),
        "Each dot compares buyers with an indicator to those without: to the right, more of those with it bought "
        "again; the line is the 95 % interval, and where it crosses zero the difference may be chance. Judged on what "
        "was known before the second order; buyers who had bought again by then, or whose time has not come, are not "
        "judged. What goes together need not be the cause.",
    )


def orders_by_day(figures: Figures) -> Section:
    """First and returning orders over time."""
    first, returning = sum(day.first_orders for day in figures.days), sum(day.returning_orders for day in figures.days)
    total = first + returning
    lead = (
        f"{counted(total, 'order')} {_in_days(figures)}: {first:,} {'was' if first == 1 else 'were'} the first of a "
        f"buyer and {returning:,} of buyers who came back ({share(returning / total)})."
        if total
        else "There are no orders yet."
    )
    drawn = [
        {"day": day.day.isoformat(), "kind": kind, "value": value, "place": place}
        for day in figures.days
        for place, (kind, value) in enumerate(((FIRST, day.first_orders), (RETURNING, day.returning_orders)))
    ]
    rows = [
        (day.day.isoformat(), f"{day.first_orders:,}", f"{day.returning_orders:,}", f"{day.orders:,}")
        for day in figures.days
    ]
    chart = charts.finished(charts.stacked_by_day(drawn, [FIRST, RETURNING], "orders")) if total else None
    table = newest_first((FIRST, RETURNING, "all orders"), rows, figures.days_left_out)
    view = View("", f"First orders and orders of buyers who came back, by day. {lead}", chart, table)
    return Section("orders", "First and returning orders", (lead,), (view,), ("product/fact_daily",))


def revenue_by_day(figures: Figures) -> Section:
    """Revenue over time."""
    orders = sum(day.orders for day in figures.days)
    revenue = sum((day.revenue for day in figures.days), start=Decimal(0))
    lead = (
        f"{dollars(revenue)} {_in_days(figures)}, {dollars(revenue / orders)} an order."
        if orders
        else "There is no revenue yet."
    )
    drawn = [{"day": day.day.isoformat(), "value": float(day.revenue)} for day in figures.days]
    rows = [(day.day.isoformat(), dollars(day.revenue), f"{day.orders:,}") for day in figures.days]
    chart = charts.finished(charts.bars_by_day(drawn, "revenue in US dollars", "$,.0f")) if orders else None
    table = newest_first(("revenue", "orders"), rows, figures.days_left_out)
    view = View("", f"Revenue by day. {lead}", chart, table)
    note = "Revenue is the sum of order totals: products and shipping, less discounts."
    return Section("revenue", "Revenue", (lead,), (view,), ("product/fact_daily",), note)


def deliveries(figures: Figures) -> Section:
    """How long from the order to shipping, and from there to the door."""
    found = figures.deliveries
    stages = {
        "From order to shipping": found.to_shipping if found else None,
        "From shipping to delivery": found.to_delivery if found else None,
    }
    known = {label: spread for label, spread in stages.items() if spread}
    lead = _delivery_lead(found) if found else ()
    return Section(
        "deliveries",
        "From order to delivery",
        lead,
        (spread_view("", known, "orders"),) if known else (),
        ("marketing/int_user_orders",),
        "",
    )


def spread_view(label: str, spreads: dict[str, Spread], cases: str) -> View:
    """Durations side by side in one unit, and each in its own in words: median, middle half and nine tenths."""
    unit, size = unit_of([spread.p95 for spread in spreads.values()])
    drawn, rows = [], []
    for name, spread in spreads.items():
        median, half = duration(spread.median), duration(spread.p25, spread.p75)
        most = duration(spread.p5, spread.p95)
        ends = {key: getattr(spread, key) / size for key in ("p5", "p25", "median", "p75", "p95")}
        said = f"median {median}, half of all {half}, nine of ten {most}"
        drawn.append({"label": name, "said": said, **ends})
        rows.append((name, f"{spread.count:,}", median, half, most))
    columns = ("", cases, "median", "half of all", "nine of ten")
    return View(
        label,
        "; ".join(f"{row['label']}: {row['said']}" for row in drawn),
        charts.finished(charts.spreads(drawn, unit)),
        NumberTable(columns, tuple(rows)),
    )


def _told(judged: list[Indicator]) -> list[str]:
    """Which indicators say something beyond chance, in a sentence."""
    clear = [each for each in judged if each.low is not None and each.high is not None and each.low * each.high > 0]
    if not judged:
        return []
    if not clear:
        return ["None of the indicators is clear of chance yet."]
    said = "; ".join(
        f"{INDICATORS.get(each.indicator, each.indicator)}: {points(each.difference)} "
        f"({share(each.share_with)} with it, {share(each.share_without)} without)"
        for each in clear
    )
    return [f"Clear of chance: {said}."]


def _indicator_row(each: Indicator) -> tuple[str, ...]:
    return (
        INDICATORS.get(each.indicator, each.indicator),
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


def _in_days(figures: Figures) -> str:
    first, last = figures.days[0].day, figures.days[-1].day
    if first == last:
        return f"on {first:%-d %b %Y}"
    return f"from {first:%-d %b %Y} to {last:%-d %b %Y}"


def newest_first(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], left_out: int = 0) -> NumberTable:
    """A table of days, of which each row begins with one: the newest on top, and how many it leaves out."""
    shown = tuple(reversed(rows))[:DAYS_IN_TABLE]
    return NumberTable(("day (UTC)", *columns), shown, len(rows) - len(shown) + left_out)
