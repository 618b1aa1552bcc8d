"""What moved in the headline figures since an earlier day, and because of which days of data. Pure.

The page of a complete run leaves a record of what it showed, with which the pages of later days are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from itertools import zip_longest
from typing import Any
from zoneinfo import ZoneInfo

from greenery_assets.report.facts import Earlier, ReportFacts, Standing
from greenery_assets.report.figures import DAYS_SHOWN, Figures
from greenery_assets.report.section import NumberTable, Section, View
from greenery_assets.report.wording import counted, dollars, share

MOST_DAYS_NAMED = 3


@dataclass(frozen=True)
class Changes:
    """What moved: a line or two, and each figure that did with its value then and now, as people write them."""

    lines: tuple[str, ...]
    moved: tuple[tuple[str, str, str], ...] = ()
    since: str = ""

    @property
    def section(self) -> Section:
        """The part of the page."""
        table = NumberTable(("figure", self.since, "now"), self.moved)
        if not self.moved:
            return Section("changes", "What changed", self.lines, (), ())
        # Since when is on the reader's calendar.
        note = "Days of data are UTC."
        return Section("changes", "What changed", self.lines, (View("", "", None, table),), (), note)


def record_of(facts: ReportFacts, figures: Figures) -> dict[str, Any] | None:
    """What a later day is compared with; None of a run that left tables out, or failed, or whose figures were not read.

    `figures` are as people write them. `days` (UTC, of the last year) are those with rows: how many each source has
    that has times, and what product/fact_daily has of the day.
    """
    is_complete = facts.run is not None and facts.run.how_it_ended == "ended" and not facts.not_built
    # While a run writes its page, a check that failed has not ended it yet.
    is_good = is_complete and not facts.count(Standing.FAILED)
    return _record(facts, figures) if is_good and figures.is_read else None


def changes(facts: ReportFacts, figures: Figures, earlier: Earlier | None, zone: ZoneInfo) -> Changes:
    """What moved since an earlier day, and because of which days; or why that is not known."""
    if not figures.is_read:
        return Changes(("What changed is not known, as the figures could not be read.",))
    if earlier is None:
        return Changes(("There is nothing to compare with yet: no run of an earlier day was complete.",))
    since = f"{earlier.at.astimezone(zone):%-d %b}"
    now, then = _record(facts, figures), earlier.record
    if now["is_sample"] != then["is_sample"]:
        other = "sample data" if now["is_sample"] else "a shop's data instead of sample data"
        return Changes((f"There is nothing to compare with: since {since} the tables hold {other}.",))
    both = [(name, then["figures"].get(name, "not known"), after) for name, after in now["figures"].items()]
    moved = tuple((name, before, after) for name, before, after in both if before != after)
    gone = [name for name in then["figures"] if name not in now["figures"]]
    left_out = " The last run did not refresh all tables." if facts.not_built else ""
    lines = [f"Not known any more, as their tables cannot be read: {', '.join(gone)}."] if gone else []
    if moved:
        said = ", ".join(f"{name} from {before} to {after}" for name, before, after in moved)
        lines += [f"Since {since}: {said}.", f"{_because(now, then, earlier.at.astimezone(UTC).date())}{left_out}"]
    elif not gone:
        lines = [f"No headline figure has changed since {since}.{left_out}"]
    return Changes(tuple(lines), moved, since)


def _record(facts: ReportFacts, figures: Figures) -> dict[str, Any]:
    shown = {}
    if figures.repeat:
        shown["repeat rate"] = share(figures.repeat.rate)
    if figures.conversion:
        shown["conversion rate"] = share(figures.conversion.rate)
    if figures.totals:
        shown |= {"orders": f"{figures.totals.orders:,}", "revenue": dollars(figures.totals.revenue)}
    rows = [{each.day: each.rows for each in volumes} for volumes in figures.volumes.values()]
    daily = {
        day.day: [day.orders, str(day.revenue), day.first_orders, day.sessions, day.conversion_rate]
        for day in figures.days
    }
    days = {
        day.isoformat(): [[each.get(day, 0) for each in rows], daily.get(day, [])]
        for day in sorted(set(daily).union(*rows))
        if day in daily or any(day in each and each[day] for each in rows)
    }
    windows = [[each.day for each in known] for known in figures.volumes.values()]
    windows.append([each.day for each in figures.days])
    # Before that day not all is looked at.
    begins = max((min(known) for known in windows if len(known) == DAYS_SHOWN), default=date.min)
    return {"is_sample": facts.is_sample, "figures": shown, "days": days, "begins": begins.isoformat()}


def _because(now: Mapping[str, Any], then: Mapping[str, Any], made_on: date) -> str:
    """The days whose data differs; those from that day on (UTC) were not over then, so their data is new."""
    after, before = now["days"], then["days"]
    kinds: dict[str, list[date]] = {"new": [], "late": [], "changed": []}
    for day in sorted(day for day in after.keys() | before.keys() if day >= now["begins"]):
        (rows, _), (rows_then, _) = (each.get(day, [[], []]) for each in (after, before))
        if after.get(day) == before.get(day):
            continue
        kind = "changed"
        if any(n > known for n, known in zip_longest(rows, rows_then, fillvalue=0)):
            kind = "new" if day > max(before, default="") or date.fromisoformat(day) >= made_on else "late"
        kinds[kind].append(date.fromisoformat(day))
    said = [f"{kind} data of {_named(days)}" for kind, days in kinds.items() if days]
    if not said:
        return "No day of the last year has other data: older data, or how figures are computed, has changed."
    return f"Because of {', '.join(said)}."


def _named(days: Sequence[date]) -> str:
    """Days, or of many how many and from when to when: "25 Nov", "9 days (1 Nov to 12 Nov)"."""
    named = [f"{day:%-d %b}" for day in days]
    if len(days) > MOST_DAYS_NAMED:
        return f"{counted(len(days), 'day')} ({named[0]} to {named[-1]})"
    return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))
