"""Vega-Lite charts in one look, drawn on the page by its renderer and in the picture by vl-convert.

Pure: values in, specs out. What is drawn and in which words is the business of the parts of the page. Colours come
from a palette: the page's are CSS variables, so that a chart follows light, dark and print without being drawn again.
"""

import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import altair as alt

Spec = dict[str, Any]
Values = Sequence[Mapping[str, Any]]
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif'
LINE_PX = 250
ROW_PX = 44
THIN_ROW_PX = 27
# A page of paper has room for more rows where they are thin.
MOST_WIDE_ROWS = 12
LABEL_CHARACTERS = 21
TICKS = 6
MOST_DOTS = 100
SHAPES = ["circle", "square", "diamond"]
# D3 writes a plain "," as 1.2e+3.
WHOLE = ",.0f"


@dataclass(frozen=True)
class Palette:
    """The colours of a chart; `series` differ in lightness too."""

    ink: str
    muted: str
    line: str
    surface: str
    series: tuple[str, str, str]
    band: str
    bad: str


PAGE = Palette(
    ink="var(--ink)",
    muted="var(--muted)",
    line="var(--line)",
    surface="var(--surface)",
    series=("var(--series-1)", "var(--series-2)", "var(--series-3)"),
    band="var(--band)",
    bad="var(--bad)",
)


def finished(chart: alt.Chart | alt.LayerChart, palette: Palette = PAGE, font: str = FONT) -> Spec:
    """A chart as wide as its place, as a spec."""
    wide = chart.properties(
        width="container", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"), background="transparent"
    )
    # Each part was validated when it was made.
    return dict(configured(wide, palette, font).to_dict(validate=False))


def configured(chart: Any, palette: Palette, font: str) -> Any:
    """A whole chart in the project's look."""
    text = {"labelColor": palette.muted, "titleColor": palette.muted, "labelFontSize": 13, "titleFontSize": 13}
    return chart.configure(
        font=font,
        axis={
            **text,
            "titleFontWeight": "normal",
            "gridColor": palette.line,
            "domainColor": palette.muted,
            "tickColor": palette.muted,
            "labelLimit": 220,
        },
        # One under the other: side by side they would not fit on a telephone.
        legend={**text, "orient": "top", "title": None, "columns": 1, "labelLimit": 260, "symbolSize": 110},
        title={"color": palette.ink, "subtitleColor": palette.muted, "anchor": "start", "fontSize": 15},
        view={"stroke": None},
    )


def volume(days: Values, what: str, palette: Palette = PAGE) -> alt.LayerChart:
    """Rows a day as a line (`day`, `rows`, `usual`) over the band expected (`low`, `high`); crosses on unusual days."""
    base = _days(days)
    x = _day_axis()
    title = f"{what} a day" if what else None
    shown = [
        _day_tooltip(),
        alt.Tooltip("rows:Q", title=what, format=WHOLE),
        alt.Tooltip("expected:N", title="expected"),
    ]
    layers = []
    # Vega complains of a layer without rows.
    if any(day["low"] is not None for day in days):
        layers.append(base.mark_area(color=palette.band).encode(x=x, y=alt.Y("low:Q", title=title), y2="high:Q"))
    layers.append(
        _line(days, palette).encode(
            x=x, y=alt.Y("rows:Q", title=title, axis=alt.Axis(format=WHOLE, tickMinStep=1)), tooltip=shown
        )
    )
    if unusual := [day for day in days if not day["usual"]]:
        crosses = alt.Chart(alt.InlineData(values=unusual)).mark_point(
            shape="cross", filled=True, size=140, color=palette.bad, opacity=1, angle=45
        )
        layers.append(crosses.encode(x=x, y="rows:Q", tooltip=shown))
    return alt.LayerChart(layer=layers)


def bars_by_day(days: Values, what: str, number: str, palette: Palette = PAGE) -> alt.Chart:
    """One bar a day (`day`, `value`), in a number format of D3's."""
    bars = _days(days).mark_bar(color=palette.series[0])
    return bars.encode(
        x=_day_axis(),
        y=alt.Y("value:Q", title=f"{what} a day", axis=alt.Axis(format=number)),
        tooltip=[_day_tooltip(), alt.Tooltip("value:Q", title=what, format=number)],
    )


def lines_by_hour(hours: Values, kinds: Sequence[str], palette: Palette = PAGE) -> alt.Chart:
    """A line for each kind over the hours of a day (`hour`, `kind`, `value`)."""
    lines = _days(hours).mark_line(point=True)
    return lines.encode(
        x=alt.X("hour:N", title="hour (UTC)", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y("value:Q", title="an hour"),
        color=alt.Color("kind:N", sort=list(kinds), scale=_scale(kinds, palette)),
        tooltip=[
            alt.Tooltip("hour:N", title="hour"),
            alt.Tooltip("kind:N", title=" "),
            alt.Tooltip("value:Q", title="an hour", format=".1f"),
        ],
    )


def stacked_by_day(days: Values, kinds: Sequence[str], what: str, palette: Palette = PAGE) -> alt.Chart:
    """One bar a day (`day`, `kind`, `value`), divided by kind, the first at the bottom."""
    return (
        _days(days)
        .mark_bar()
        .encode(
            x=_day_axis(),
            y=alt.Y("value:Q", title=f"{what} a day", axis=alt.Axis(format=WHOLE, tickMinStep=1)),
            color=alt.Color("kind:N", sort=list(kinds), scale=_scale(kinds, palette)),
            order=alt.Order("place:Q"),
            tooltip=[
                _day_tooltip(),
                alt.Tooltip("kind:N", title=what),
                alt.Tooltip("value:Q", title="number", format=WHOLE),
            ],
        )
    )


def line_by_day(days: Values, what: str, palette: Palette = PAGE) -> alt.Chart:
    """A share from 0 to 1 by day (`day`, `value`); a day without one leaves a gap."""
    return _line(days, palette).encode(
        x=_day_axis(),
        y=alt.Y("value:Q", title=what, axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])),
        tooltip=[_day_tooltip(), alt.Tooltip("value:Q", title=what, format=".1%")],
    )


def bars(rows: Values, what: str, number: str, palette: Palette = PAGE, share: bool = False) -> alt.LayerChart:
    """A bar for each of some rows (`label`, `value`, `said`), with what is said of it in words at its end."""
    is_long = len(rows) > MOST_WIDE_ROWS
    base, y = _rows(rows, THIN_ROW_PX if is_long else ROW_PX)
    scale = alt.Scale(domain=[0, 1]) if share else alt.Undefined
    x = alt.X("value:Q", title=what, axis=_number_axis(number, 0.01 if share else 1), scale=scale)
    bar = base.mark_bar(color=palette.series[0], height=8 if is_long else 20, yOffset=4 if is_long else 0).encode(
        x=x, y=y, tooltip=_said(what)
    )
    # Over the bar rather than beside it: on a telephone there is no room at the end of the longest.
    words = base.mark_text(
        align="left", baseline="bottom", dy=0 if is_long else -12, fontSize=13, color=palette.ink
    ).encode(x=alt.XDatum(0), y=y, text="said:N")
    return alt.LayerChart(layer=[bar, words])


def steps_by_row(rows: Values, kinds: Sequence[str], what: str, palette: Palette = PAGE) -> alt.LayerChart:
    """Several numbers for each row (`label`, `kind`, `value`) on one line, a shape for each kind."""
    base, y = _rows(rows, THIN_ROW_PX)
    rule = base.mark_line(color=palette.line, strokeWidth=3).encode(
        x=alt.X("value:Q", title=what, axis=_number_axis(WHOLE, 1)), y=y, detail="label:N"
    )
    point = base.mark_point(filled=True, size=95, opacity=1).encode(
        x="value:Q",
        y=y,
        color=alt.Color("kind:N", sort=list(kinds), scale=_scale(kinds, palette)),
        shape=alt.Shape("kind:N", sort=list(kinds), scale=alt.Scale(domain=list(kinds), range=SHAPES[: len(kinds)])),
        tooltip=[
            alt.Tooltip("name:N", title=" "),
            alt.Tooltip("kind:N", title="step"),
            alt.Tooltip("value:Q", title=what, format=WHOLE),
        ],
    )
    return alt.LayerChart(layer=[rule, point])


def intervals(rows: Values, what: str, palette: Palette = PAGE) -> alt.LayerChart:
    """A dot plot: for each row (`label`, `value`, `low`, `high`) a difference of shares, and its interval around it."""
    base, y = _rows(rows)
    shown = _said(what)
    interval = base.mark_rule(color=palette.series[0], strokeWidth=3).encode(
        x=alt.X("low:Q", title=what, axis=_number_axis("+.0%", 0.01)), x2="high:Q", y=y, tooltip=shown
    )
    dot = base.mark_point(filled=True, size=140, color=palette.series[0], opacity=1).encode(
        x="value:Q", y=y, tooltip=shown
    )
    nothing = (
        alt.Chart(alt.InlineData(values=[{}])).mark_rule(color=palette.muted, strokeDash=[4, 4]).encode(x=alt.XDatum(0))
    )
    return alt.LayerChart(layer=[nothing, interval, dot])


def spreads(rows: Values, what: str, palette: Palette = PAGE) -> alt.LayerChart:
    """For each row (`label`) its nine tenths (`p5`, `p95`), its middle half (`p25`, `p75`) and its `median`."""
    base, y = _rows(rows)
    shown = _said(what)
    most = base.mark_rule(color=palette.muted, strokeWidth=2).encode(
        x=alt.X("p5:Q", title=what, scale=alt.Scale(zero=True), axis=alt.Axis(tickCount=TICKS)),
        x2="p95:Q",
        y=y,
        tooltip=shown,
    )
    half = base.mark_bar(color=palette.series[0], height=18).encode(x="p25:Q", x2="p75:Q", y=y, tooltip=shown)
    median = base.mark_tick(color=palette.surface, thickness=3, size=18).encode(x="median:Q", y=y, tooltip=shown)
    return alt.LayerChart(layer=[most, half, median])


def _day_axis() -> alt.X:
    # Days are UTC; the browser's own zone would move them.
    axis = alt.Axis(format="%-d %b", grid=False, labelOverlap=True, tickCount=8)
    return alt.X("utcyearmonthdate(day):T", title=None, axis=axis)


def _day_tooltip() -> alt.Tooltip:
    return alt.Tooltip("utcyearmonthdate(day):T", title="day", format="%a %-d %b %Y")


def _said(what: str) -> list[alt.Tooltip]:
    return [alt.Tooltip("name:N", title=" "), alt.Tooltip("said:N", title=what)]


def _rows(rows: Values, row_px: int = ROW_PX) -> tuple[alt.Chart, alt.Y]:
    """A chart of rows, and their axis: in the order given, each label in lines and once more in one line (`name`).

    Labels that are cut alike stay apart.
    """
    shown: dict[str, str] = {}
    for label in dict.fromkeys(row["label"] for row in rows):
        lines = "\n".join(textwrap.wrap(label, LABEL_CHARACTERS, max_lines=2, placeholder=" …")) or label
        shown[label] = apart(lines, shown.values())
    values = [{**row, "name": row["label"], "label": shown[row["label"]]} for row in rows]
    axis = alt.Axis(labelExpr="split(datum.label, '\\n')", ticks=False, domain=False, labelPadding=8)
    # In pixels, as Vega does not fit a chart into its place whose height depends on the row.
    base = alt.Chart(alt.InlineData(values=values)).properties(height=row_px * len(shown))
    return base, alt.Y("label:N", title=None, sort=list(shown.values()), axis=axis)


def apart(name: str, taken: Collection[str]) -> str:
    """A name as it is, or with the first number behind it that makes it one of its own."""
    names = (name if n == 1 else f"{name} ({n})" for n in count(1))
    return next(free for free in names if free not in taken)


def _number_axis(number: str, smallest_step: float) -> alt.Axis:
    return alt.Axis(format=number, tickCount=TICKS, tickMinStep=smallest_step)


def _scale(kinds: Sequence[str], palette: Palette) -> alt.Scale:
    return alt.Scale(domain=list(kinds), range=list(palette.series[: len(kinds)]))


def _days(days: Values) -> alt.Chart:
    return alt.Chart(alt.InlineData(values=list(days))).properties(height=LINE_PX)


def _line(days: Values, palette: Palette) -> alt.Chart:
    # A dot for each of many days would hide the line.
    dots = alt.OverlayMarkDef(color=palette.series[0], size=22, filled=True) if len(days) <= MOST_DOTS else False
    return _days(days).mark_line(color=palette.series[0], strokeWidth=2, point=dots)
