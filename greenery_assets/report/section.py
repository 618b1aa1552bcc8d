"""A section of the page, and what all of them are made of: sentences, views, and tables of numbers. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from greenery_assets.privacy import masked
from greenery_assets.report import charts
from greenery_assets.report.figures import Spread
from greenery_assets.report.wording import duration, unit_of

LONGEST_NAME = 120
DAYS_IN_TABLE = 60


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


def spread_view(label: str, spreads: dict[str, Spread]) -> View:
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


def newest_first(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], left_out: int = 0) -> NumberTable:
    """A table of days, of which each row begins with one: the newest on top, and how many it leaves out."""
    shown = tuple(reversed(rows))[:DAYS_IN_TABLE]
    return NumberTable(("day (UTC)", *columns), shown, len(rows) - len(shown) + left_out)


def first_rows(most: int, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> NumberTable:
    """A table of the first rows, which says how many it leaves out."""
    return NumberTable(columns, rows[:most], max(len(rows) - most, 0))


def apart(names: Sequence[str]) -> list[str]:
    """Names as `presentable`, each once."""
    found: list[str] = []
    for name in names:
        found.append(charts.apart(presentable(name), found))
    return found


def presentable(name: str) -> str:
    """A source's text, cut where nobody would read on, and nothing in it that names a person."""
    clean = masked(name)
    return clean if len(clean) <= LONGEST_NAME else f"{clean[:LONGEST_NAME]}…"
