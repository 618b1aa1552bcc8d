"""Checks that are hard to write in SQL: volume against history, freshness, change of a figure, rejected rows.

Plain functions over plain values; they import no Dagster and open no warehouse. All other assumptions are dbt tests
(dbt_project/tests).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean, stdev
from typing import Literal

WHOLE_DAYS_NEEDED = 7
DAYS_COMPARED = 28
CLOCK_SKEW = timedelta(hours=1)
LONGEST_WAIT = timedelta(minutes=15)
# What the figures made of a table are called, where not by its rows.
FIGURES_OF = {"events": "traffic"}


@dataclass(frozen=True)
class Assumption:
    """What is assumed, for people: `statement` in plain words, `why` it matters to whom, `remedy` when it fails.

    `id` is short (docs/checks.md lists them). `affects` names the figures that are wrong when it fails, in the words of
    their readers, or "no figure". `use` says whether they can be used; without it they may be wrong.
    """

    id: str
    statement: str
    severity: Literal["ERROR", "WARN"]
    why: str
    remedy: str
    affects: str = ""
    use: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a check found: `failing_rows` of `rows_checked`, and the reason in one sentence, a headline where it fails.

    `use` says whether figures can be used, where that depends on what was found.
    """

    passed: bool
    reason: str
    failing_rows: int
    rows_checked: int
    use: str = ""


def rows_accepted(table: str, accepted: int, rejected: int) -> Verdict:
    """A19: no row of a source table was set aside as unreadable."""
    total = accepted + rejected
    if rejected == 0:
        return Verdict(True, f"All {total:,} rows could be read.", 0, total)
    were = "was" if rejected == 1 else "were"
    found = f"{rejected:,} of {total:,} {_one_of(table)} rows could not be read and {were} left out."
    return Verdict(False, found, rejected, total)


def rows_were_kept(before: int | None, rows: int, max_loss: float, *, is_accepted: bool = False) -> Verdict:
    """A24: a source table was not emptied, and did not lose more than a share (0 to 1) of its rows in a load.

    `before` are the rows of the last accepted load, None where there was none: a table must begin with rows, and an
    empty one that was accepted may stay empty. `is_accepted`: somebody said that the loss is meant.
    """
    since = f", {before:,} before" if before is not None else ", none before"
    lost = max((before or 0) - rows, 0)
    is_emptied = rows == 0 and before != 0
    is_lost = before is not None and lost > max_loss * before
    if not is_emptied and not is_lost:
        return Verdict(True, f"{rows:,} rows{since}.", 0, before or rows)
    found = f"{rows:,} rows{since}"
    if before:
        found += f": {lost / before:.0%} were lost, {max_loss * 100:g}% are allowed"
        found += ", and a table may not be emptied" if is_emptied else ""
    if is_accepted:
        return Verdict(True, f"{found}. Accepted by the run's configuration.", 0, before or rows)
    return Verdict(False, f"{found}.", lost or 1, before or 1)


def few_rows_rejected(read: int, rejected: int, max_share: float, *, is_accepted: bool = False) -> Verdict:
    """A25: of the rows read in a load no more than a share (0 to 1) was set aside as unreadable.

    `read` counts the rejected ones too. `is_accepted`: somebody said that it is meant.
    """
    if not read:
        return Verdict(True, "No rows were new or changed.", 0, 0)
    found = f"{rejected:,} of {read:,} rows read were set aside"
    if rejected <= max_share * read:
        return Verdict(True, f"{found}.", 0, read)
    found += f": {rejected / read:.0%}, {max_share * 100:g}% are allowed"
    if is_accepted:
        return Verdict(True, f"{found}. Accepted by the run's configuration.", 0, read)
    return Verdict(False, f"{found}.", rejected, read)


def columns_match(table: str, contract: int, extra_columns: Sequence[str]) -> Verdict:
    """A19: a source table has the contract's columns and no others (a missing one stops the load).

    `extra_columns` are in a form that may be shown, as a header may hold a person's name.
    """
    if not extra_columns:
        return Verdict(True, f"All {contract} columns of the contract are there and no others.", 0, 1)
    word = "column" if len(extra_columns) == 1 else "columns"
    found = f"New {word} in {table}, ignored: {_some(extra_columns)}."
    return Verdict(False, found, len(extra_columns), 1)


def files_are_there(files: int, removed: Sequence[str]) -> Verdict:
    """A19: no loaded file is gone from the source folder. `removed` are names in a form that may be shown."""
    if not removed:
        return Verdict(True, f"{files:,} files are loaded, none has gone.", 0, files)
    have = "1 file has" if len(removed) == 1 else f"{len(removed):,} files have"
    return Verdict(False, f"{have} gone: {_some(removed)}.", len(removed), files + len(removed))


def _some(names: Sequence[str]) -> str:
    """The first five, and how many more there are."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def is_fresh(table: str, newest: datetime | None, now: datetime, max_age_hours: float) -> Verdict:
    """A20: the newest row is younger than a set age. Both times are UTC; ages in hours."""
    if newest is None:
        return Verdict(False, f"{table}: there are no rows.", 1, 1)
    if newest > now + CLOCK_SKEW:
        # It would make everything after it look fresh for as long as it lies ahead.
        return Verdict(False, f"{table}: the newest row is from the future: {newest:%Y-%m-%d %H:%M} UTC.", 1, 1)
    age = (now - newest) / timedelta(hours=1)
    shown = f"{age:,.0f} h" if abs(age) < 96 else f"{age // 24:,.0f} days"
    if age <= max_age_hours:
        return Verdict(True, f"{table} are {shown} old (limit {max_age_hours:g} h).", 0, 1)
    # Of the day of the newest row something came; whether it is whole is not known.
    missing = (now.date() - newest.date()).days - 1
    figure = FIGURES_OF.get(table, _one_of(table))
    days = "Yesterday is" if missing == 1 else f"The last {missing:,} days are"
    use = (
        f"{days} missing from every {figure} figure." if missing > 0 else f"The newest {figure} figures are incomplete."
    )
    return Verdict(False, f"{table} are {shown} old (limit {max_age_hours:g} h).", 1, 1, use)


def _one_of(table: str) -> str:
    """What a row of a table is of: "order item" for order_items."""
    words = table.replace("_", " ")
    return words.removesuffix("es") if words.endswith("sses") else words.removesuffix("s")


@dataclass(frozen=True)
class VolumeBand:
    """Rows expected on a day: `low` to `high`, around the `mean` of the days before."""

    mean: float
    low: float
    high: float


def volume_band(history: Sequence[int], band: float) -> VolumeBand:
    """The band of a day's rows from those of the days before, `band` standard deviations to each side.

    Days differ by chance even when nothing is wrong, by about the square root of their count. The deviation
    is at least that, so a very even week does not make the band too narrow.
    """
    mean = fmean(history)
    spread = band * max(stdev(history), mean**0.5)
    return VolumeBand(mean, max(mean - spread, 0), mean + spread)


def expected_volume(rows_by_day: Mapping[date, int], day: date, band: float) -> VolumeBand | None:
    """The band that A21 expects a day's rows in; None with fewer than seven whole days before it."""
    history = _days_before(rows_by_day, day)
    return volume_band(history, band) if history else None


def volume_is_usual(table: str, rows_by_day: Mapping[date, int], last_day: date | None, band: float) -> Verdict:
    """A21: the rows of `last_day` lie within the band of up to 28 days before it.

    Passes and says why with fewer than seven whole days before it. The first day counts as whole; a day
    without rows between the first and the last counts as zero.
    """
    history = _days_before(rows_by_day, last_day) if last_day else []
    if last_day is None or not history:
        first_day = min(rows_by_day, default=None)
        days = (last_day - first_day).days if last_day and first_day and last_day > first_day else 0
        reason = f"Not judged: {days} whole days of history, {WHOLE_DAYS_NEEDED} are needed."
        return Verdict(True, reason, 0, 1)
    expected = volume_band(history, band)
    rows = rows_by_day.get(last_day, 0)
    usual = expected.low <= rows <= expected.high
    only = "only " if rows < expected.low else ""
    day = f"{last_day.day} {last_day:%b}"
    found = f"{only}{rows:,} {table} on {day} ({expected.low:,.0f} to {expected.high:,.0f} expected)."
    return Verdict(usual, found, 0 if usual else 1, 1)


def _days_before(rows_by_day: Mapping[date, int], day: date) -> list[int]:
    """The rows of the up to 28 days before a day; none where there are fewer than seven."""
    first_day = min(rows_by_day, default=day)
    if (day - first_day).days < WHOLE_DAYS_NEEDED:
        return []
    start = max(first_day, day - timedelta(days=DAYS_COMPARED))
    return [rows_by_day.get(start + timedelta(days=n), 0) for n in range((day - start).days)]


def day_to_judge(event_days: Mapping[date, int], today: date, fresh: bool) -> date | None:
    """The day that A21 judges: yesterday, with or without events, if the source is fresh.

    If the source is not fresh, A20 reports that, and A21 judges the newest day with events before today.
    """
    if fresh:
        return today - timedelta(days=1)
    return max((day for day in event_days if day < today), default=None)


def messages_arrive(waiting_since: Sequence[datetime], refused: int, sent: int, now: datetime) -> Verdict:
    """No message to Slack waits for longer than a quarter of an hour, or is refused. Times are UTC.

    `refused` and `sent` count those of the last day.
    """
    late = [since for since in waiting_since if now - since > LONGEST_WAIT]
    total = len(waiting_since) + refused + sent
    if not late and not refused:
        return Verdict(True, f"{sent:,} messages of the last day were sent, none is late.", 0, total)
    found = []
    if late:
        found.append(f"{len(late):,} messages wait, the oldest since {min(late):%Y-%m-%d %H:%M} UTC")
    if refused:
        found.append(f"{refused:,} were refused by Slack")
    return Verdict(False, f"{' and '.join(found)}.", len(late) + refused, total)


def moved_little(name: str, figure: float | None, previous: float | None, max_step: float) -> Verdict:
    """A23: a share (0 to 1) moved less than a set step since the last run; passes without an earlier run."""
    if previous is None:
        return Verdict(True, "Not judged: no earlier run to compare with.", 0, 1)
    if figure is None:
        return Verdict(False, f"There is no {name} any more; it was {previous:.1%}.", 1, 1)
    step = abs(figure - previous)
    steady = step < max_step
    moved = (
        f"{name[:1].upper()}{name[1:]} moved from {previous:.1%} to {figure:.1%}, by {step * 100:.1f} percentage points"
    )
    reason = f"{moved} (less than {max_step * 100:g} expected)."
    return Verdict(steady, reason, 0 if steady else 1, 1)
