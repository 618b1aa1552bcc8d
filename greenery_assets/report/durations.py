"""How long models and checks take: the slowest of the last complete run beside their usual time, and what gets slower.

Pure, over what dbt noted in quality.durations. Only runs of one kind are compared: a full refresh, or a Sunday's checks
over everything, take longer.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from statistics import median
from zoneinfo import ZoneInfo

from greenery_assets.report.section import NumberTable, Section, View
from greenery_assets.report.wording import counted, duration

# As quality.durations has them: the run's beginning (UTC), its kind, what it is to dbt, its name, and seconds.
Row = tuple[datetime, str, str, str, float]
SHOWN = 5
# Clearly longer than usual: by half, and by as much as no busy machine explains, for so many runs in a row.
TIMES, SECONDS, IN_A_ROW = 1.5, 1, 3
# Of fewer earlier runs no usual time is known that runs could be slower than.
FEWEST_EARLIER = 3


@dataclass(frozen=True)
class Took:
    """How long a model or check took in the last run, in seconds.

    `usual` is the median of the earlier runs, None without any; `slower` counts the last runs in a row that took
    clearly longer than those before them.
    """

    name: str
    seconds: float
    usual: float | None
    slower: int


@dataclass(frozen=True)
class LastRun:
    """The last complete run: its day and kind, how many earlier ones of that kind there are, and what took how long."""

    day: str
    kind: str
    earlier: int
    took: tuple[Took, ...]


def last_run(rows: Iterable[Row], zone: ZoneInfo) -> LastRun | None:
    """The last of the complete runs that rows are of, in the order of the runs; None without any.

    Its day is that of the reader's `zone`.
    """
    rows = list(rows)
    if not rows:
        return None
    last_at, kind, *_ = rows[-1]
    times: dict[str, list[float]] = defaultdict(list)
    current = set()
    for run_at, of_kind, resource_type, name, seconds in rows:
        if of_kind == kind:
            # The name of a check is a sentence.
            shown = f"check “{name.replace('_', ' ')}”" if resource_type == "test" else name
            times[shown].append(float(seconds))
            if run_at == last_at:
                current.add(shown)
    runs = {run_at for run_at, of_kind, *_ in rows if of_kind == kind}
    day = f"{last_at.replace(tzinfo=UTC).astimezone(zone):%-d %b}"
    return LastRun(day, kind, len(runs) - 1, tuple(_took(name, times[name]) for name in sorted(current)))


def section(run: LastRun | None) -> Section:
    """The part of the page."""
    if run is None:
        lead: tuple[str, ...] = ("No complete run has noted yet how long it took.",)
        return Section("durations", "How long it takes", lead, (), ())
    slowest = sorted(run.took, key=lambda took: (-took.seconds, took.name))[:SHOWN]
    slower = sorted((took for took in run.took if took.slower >= IN_A_ROW), key=lambda took: -took.seconds)
    compared = f"compared with {counted(run.earlier, 'earlier run')}" if run.earlier else "the first"
    lead = (
        f"The last complete run ({run.day}, {run.kind}) is {compared} of its kind. Slowest: {slowest[0].name}, "
        f"{_in_words(slowest[0])}.",
    )
    if slower:
        named = "; ".join(f"{took.name}, {_in_words(took)}, for {took.slower} runs" for took in slower[:SHOWN])
        more = f"; and {len(slower) - SHOWN} more" if len(slower) > SHOWN else ""
        lead += (f"Clearly slower than before: {named}{more}.",)
    elif run.earlier < FEWEST_EARLIER + IN_A_ROW - 1:
        lead += ("There are too few runs of that kind to say what gets slower.",)
    else:
        lead += (f"Nothing took clearly longer than before for {IN_A_ROW} runs in a row.",)
    rows = tuple((took.name, duration(took.seconds), _usual(took)) for took in slowest)
    view = View("", "", None, NumberTable(("slowest", "last run", "usually"), rows))
    note = "Usually: the median of the earlier runs. quality.durations has every model and check of every run."
    return Section("durations", "How long it takes", lead, (view,), (), note)


def _took(name: str, times: list[float]) -> Took:
    """Of the times of all runs, oldest first."""
    before = times[:-IN_A_ROW]
    slower = 0
    if len(before) >= FEWEST_EARLIER:
        limit = max(TIMES * median(before), median(before) + SECONDS)
        slower = len(list(takewhile(lambda seconds: seconds > limit, reversed(times))))
    return Took(name, times[-1], median(times[:-1]) if times[1:] else None, slower)


def _in_words(took: Took) -> str:
    return duration(took.seconds) + (f" (usually {duration(took.usual)})" if took.usual is not None else "")


def _usual(took: Took) -> str:
    return "no earlier run" if took.usual is None else duration(took.usual)
