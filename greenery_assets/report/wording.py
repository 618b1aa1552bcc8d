"""The page's sentences about checks, runs and ages. Pure."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from greenery_assets.report.facts import ReportFacts, Standing

SAMPLE_MARK = "SAMPLE DATA"
Tone = Literal["good", "warn", "bad"]
ICONS = {
    Standing.PASSED: "Holds",
    Standing.WARNED: "Warns",
    Standing.FAILED: "Fails",
    Standing.UNKNOWN: "Not evaluated",
}


def verdict(facts: ReportFacts, zone: ZoneInfo) -> str:
    """The state of the data in one sentence, which begins with SAMPLE DATA where it is of sample data.

    "All 96 checks hold." or "2 of 96 checks fail, 3 not evaluated; marketing figures are from yesterday 06:04."
    """
    total = len(facts.checks)
    failing, unknown = facts.count(Standing.WARNED, Standing.FAILED), facts.count(Standing.UNKNOWN)
    of_all = f" of {total:,} {'check' if total == 1 else 'checks'}"
    parts = [f"{failing:,}{of_all} {'fails' if failing == 1 else 'fail'}"] if failing else []
    if unknown:
        verb = "was" if unknown == 1 else "were"
        parts.append(f"{unknown:,}{'' if failing else of_all} {verb} not evaluated")
    left_out = len(set(facts.not_built) | facts.stale.keys())
    if not parts and left_out:
        parts = [f"{left_out:,} {'table was' if left_out == 1 else 'tables were'} not built"]
    if not parts:
        parts = [f"All {total:,} checks hold" if total > 1 else "The check holds" if total else "There is no check"]
    said = " and ".join(parts)
    # Once everything was built otherwise, how that run ended matters to nobody.
    if facts.run and facts.run.has_failed and facts.stale and not facts.count(Standing.FAILED):
        said = f"The daily run {facts.run.how_it_ended}: {said[0].lower()}{said[1:]}"
    return f"{SAMPLE_MARK}: " * facts.is_sample + "; ".join([said, *_ages(facts, zone)]) + "."


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


def _ages(facts: ReportFacts, zone: ZoneInfo) -> list[str]:
    """ "marketing figures are from yesterday 06:04" for each age of what was not refreshed, the oldest of a mart."""
    by_group: dict[str, list[datetime | None]] = defaultdict(list)
    for table, built_at in facts.stale.items():
        by_group[facts.groups[table]].append(built_at)
    by_age: dict[str, list[str]] = defaultdict(list)
    for group, times in by_group.items():
        known = [time for time in times if time is not None]
        how = f"from {moment(min(known), facts.made_at, zone)}" if known else "not there yet"
        by_age[how].append(group)
    return [f"{listed(groups)} figures are {how}" for how, groups in by_age.items()]


def listed(names: list[str]) -> str:
    """ "core, marketing and product"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
