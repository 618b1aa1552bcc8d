"""The sections about buyers and their orders: who buys again, orders by day and hour, stock, deliveries. Pure."""

from collections.abc import Sequence
from decimal import Decimal

from greenery_assets.report import charts
from greenery_assets.report.figures import Deliveries, Figures, Hour, Indicator
from greenery_assets.report.section import (
    NumberTable,
    Section,
    View,
    first_rows,
    newest_first,
    presentable,
    spread_view,
)
from greenery_assets.report.wording import counted, dollars, duration, points, share

INDICATORS = {
    "browsed_longer": "Browsed longer than the median buyer",
    "browsed_without_buying": "Had a visit without buying",
    "under_a_minute_on_site": "Less than a minute on the site",
    "package_never_received": "Package a week late or never received",
    "delivery_took_too_long": "Delivery took longer than promised",
}
FIRST, RETURNING = "first orders", "orders of buyers who came back"
BUYING_TABLES = ("repeat_rate", "users_by_purchases", "repeat_rate_by_month", "repeat_indicators")
INDICATOR_COLUMNS = (
    *("indicator", "buyers with it", "of them bought again", "buyers without it", "of these bought again"),
    *("difference", "95 % interval", "not judged"),
)
MONTHS_SHOWN, STOCKOUTS_SHOWN = 12, 20


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
        views.append(View("By month", "", None, first_rows(MONTHS_SHOWN, columns, rows)))
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
        table = newest_first((FIRST, RETURNING, "all orders"), rows, figures.days_left_out)
        summary = f"First orders and orders of buyers who came back, by day. {lead[0]}"
        chart = charts.stacked_by_day(drawn, [FIRST, RETURNING], "orders")
        views.append(View("Orders", summary, charts.finished(chart), table))
        bars = [{"day": day.day.isoformat(), "value": float(day.revenue)} for day in figures.days]
        paid = [(day.day.isoformat(), dollars(day.revenue), f"{day.orders:,}") for day in figures.days]
        table = newest_first(("revenue", "orders"), paid, figures.days_left_out)
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
        (
            presentable(each.product),
            f"{each.since:%Y-%m-%d %H:%M}",
            f"{each.until:%Y-%m-%d %H:%M}" if each.until else "now",
        )
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
    views = (View("", "", None, first_rows(STOCKOUTS_SHOWN, columns, rows)),) if rows else ()
    note = "Each run looks at the stock once."
    return Section("stock", "Out of stock", tuple(lead), views, ("core/fact_stockouts",), note)


def deliveries(figures: Figures) -> Section:
    """How long from the order to shipping, and from there to the door."""
    found = figures.deliveries
    stages = {
        "From order to shipping": found.to_shipping if found else None,
        "From shipping to delivery": found.to_delivery if found else None,
    }
    known = {label: spread for label, spread in stages.items() if spread}
    lead = _delivery_lead(found) if found else ()
    views = (spread_view("", known),) if known else ()
    return Section("deliveries", "From order to delivery", lead, views, ("marketing/int_user_orders",))


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
