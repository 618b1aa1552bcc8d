"""The page's sentences about checks, runs and ages, and how it writes numbers, shares, money and durations. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from greenery_assets.alerts.runs import MartState, counts, figures_by_age, status
from greenery_assets.report.facts import ReportFacts, Standing

SAMPLE_MARK = "SAMPLE DATA"
MINUTE, HOUR, DAY = 60, 3_600, 86_400
Tone = Literal["good", "warn", "bad"]


def verdict(facts: ReportFacts, zone: ZoneInfo) -> str:
    """The status in a sentence or two, which begins with SAMPLE DATA where it is of sample data.

    "All 96 checks hold." or "Not all figures are current: 1 ERROR. Conversion is from yesterday 06:04."
    """
    failed = ""
    # Once everything was built otherwise, how that run ended matters to nobody.
    if facts.run and facts.run.how_it_ended != "ended" and facts.stale and not facts.count(Standing.FAILED):
        is_today = facts.run.started_at.astimezone(zone).date() == facts.made_at.astimezone(zone).date()
        which = "Today's" if is_today else "The daily"
        failed = f"{which} run {facts.run.how_it_ended}"
    stale = [MartState(table, False, at, facts.groups.get(table, "")) for table, at in facts.stale.items()]
    said = status(
        counts(facts.failing),
        len(facts.checks),
        unknown=facts.count(Standing.UNKNOWN),
        not_built=0 if failed else len({*facts.not_built, *facts.stale}),
        failed=failed,
        ages=figures_by_age(stale, facts.figures, lambda at: moment(at, facts.made_at, zone)),
    )
    return f"{SAMPLE_MARK}: " * facts.is_sample + said


def tone(facts: ReportFacts) -> Tone:
    """How bad it is: something stopped or unknown figures, something to look at, or nothing."""
    if facts.count(Standing.FAILED) or facts.stale or facts.not_built:
        return "bad"
    return "warn" if facts.count(Standing.WARNED, Standing.UNKNOWN) else "good"


def moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    """A time as people say it: "today 06:04", "yesterday 06:04", "21 Nov 06:04", "21 Nov 2025 06:04"."""
    here, today = at.astimezone(zone), now.astimezone(zone).date()
    if here.date() == today:
        day = "today"
    elif here.date() == today - timedelta(days=1):
        day = "yesterday"
    else:
        day = f"{here.day} {here:%b}" if here.year == today.year else f"{here.day} {here:%b %Y}"
    return f"{day} {here:%H:%M}"


def strip_in_words(past: list[Standing]) -> str:
    """The last runs of a check for those who do not see them drawn: "30 runs: 28 passed, 2 failed, the last passed"."""
    if not past:
        return "No run has planned it yet."
    counts = [f"{past.count(standing)} {standing.value}" for standing in Standing if standing in past]
    runs = "run" if len(past) == 1 else "runs"
    said = f"{len(past)} {runs}: {', '.join(counts)}; the last {past[-1].value}."
    return said.replace("unknown", "not evaluated")


def not_refreshed(facts: ReportFacts, zone: ZoneInfo) -> list[str]:
    """The tables that the daily run did not refresh, by age: "From yesterday 06:04: marketing/fact_repeat_rate"."""
    by_age: dict[str, list[str]] = defaultdict(list)
    for table, built_at in facts.stale.items():
        by_age[f"From {moment(built_at, facts.made_at, zone)}" if built_at else "Not there yet"].append(table)
    return [f"{age}: {', '.join(tables)}" for age, tables in by_age.items()]


def share(value: float | None) -> str:
    """ "79.8 %"; "none" where it is one of nobody."""
    return "none" if value is None else f"{value * 100:.1f} %"


def points(value: float | None) -> str:
    """A difference of two shares: "-14.6 points", of a hundred."""
    return "none" if value is None else f"{value * 100:+.1f} points"


def dollars(value: Decimal) -> str:
    """ "$1,234.50"; half a cent is rounded up, as in the tables."""
    # Python's own formatting rounds half to even.
    return f"${value.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"


def counted(number: int, word: str) -> str:
    """ "1 buyer", "2,000 buyers"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def unit_of(seconds: Sequence[float]) -> tuple[str, int]:
    """The unit in which durations are best read together, and its seconds: that of the longest."""
    longest = max(seconds, default=0)
    if longest < 2 * MINUTE:
        return "seconds", 1
    if longest < 2 * HOUR:
        return "minutes", MINUTE
    return ("hours", HOUR) if longest < 3 * DAY else ("days", DAY)


def duration(*seconds: float) -> str:
    """A length of time, or from one to another, in the unit that suits it: "48.0 seconds", "3.0 to 7.0 hours"."""
    name, size = unit_of(seconds)
    return f"{' to '.join(f'{each / size:,.1f}' for each in seconds)} {name}"
