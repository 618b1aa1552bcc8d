"""What a part of the page with figures is made of, whatever it is about: words, a chart, and its numbers as a table.

Plain values that charts fill and the page lays out.
"""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]


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
    chart: Spec | None
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
