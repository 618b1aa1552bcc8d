"""The picture of the state of the data for Slack's digest and the Dagster web interface: the verdict, and four figures.

Pure but for vl-convert, which draws. Everything in it is this project's own words and numbers: no text of a source.
"""

import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import altair as alt
import vl_convert

from greenery_assets.report import charts
from greenery_assets.report.figures import DayVolume, Figures
from greenery_assets.report.parts import STEPS, step_in_words, volume_by_day
from greenery_assets.report.wording import Tone, counted, share

TILE_PX, GAP_PX, LINE_PX, ROW_PX = 390, 60, 130, 46
VERDICT_CHARACTERS = 62
DAYS_SHOWN = 60
# Fonts that vl-convert brings along, so that the picture is the same on every machine.
FONT = "Liberation Sans, Arial, DejaVu Sans, sans-serif"
LIGHT = charts.Palette(
    ink="#1a1f1c",
    muted="#545e58",
    line="#d6dcd6",
    surface="#ffffff",
    series=("#2f6b4f", "#b35900", "#4658b8"),
    band="#d3e5da",
    bad="#b3261e",
)
# Shapes that the font has: for another one vl-convert would take the whole line from another font.
TONES = {"good": ("#1a7440", "●"), "warn": ("#8a5d00", "▲"), "bad": ("#b3261e", "■")}


def picture_of(verdict: str, tone: Tone, figures: Figures, made_at: datetime) -> charts.Spec:
    """The picture as a Vega-Lite chart; `made_at` in the reader's time zone."""
    color, sign = TONES[tone]
    lines = textwrap.wrap(verdict, VERDICT_CHARACTERS)
    title = alt.TitleParams(
        text=[f"{sign} {lines[0]}", *lines[1:]],
        subtitle=f"Greenery, {made_at:%A} {made_at.day} {made_at:%B %Y, %H:%M %Z}",
        color=color,
        fontSize=25,
        fontWeight="bold",
        subtitleFontSize=15,
        subtitlePadding=8,
        anchor="start",
        offset=22,
    )
    repeat, conversion = figures.repeat, figures.conversion
    tiles = alt.hconcat(
        _tile(
            "Repeat rate",
            share(repeat.rate) if repeat else "not known yet",
            f"{repeat.repeat_buyers:,} of {counted(repeat.buyers, 'buyer')} bought again" if repeat else "",
        ),
        _tile(
            "Conversion",
            share(conversion.rate) if conversion else "not known yet",
            f"without the most active user {share(conversion.rate_without_top)}" if conversion else "",
        ),
        spacing=GAP_PX,
    )
    volumes = alt.hconcat(
        *(_volume(name, days[-DAYS_SHOWN:]) for name, days in figures.volumes.items() if days), spacing=GAP_PX
    )
    parts: list[Any] = [tiles]
    if volumes.hconcat:
        parts.append(volumes)
    if figures.funnel:
        parts.append(_funnel(figures))
    # Plots stand in line, with room for the numbers on their axes to the left of them.
    whole = alt.concat(*parts, columns=1, align="none", spacing=30, title=title, background=LIGHT.surface)
    whole = charts.configured(whole, LIGHT, FONT).properties(padding={"left": 24, "right": 30, "top": 24, "bottom": 24})
    return dict(whole.to_dict(validate=False))


def draw(picture: charts.Spec, *scales: float) -> list[bytes]:
    """A chart as PNG for each scale, so many pixels for each of its own."""
    # Laying it out takes longer than painting it.
    svg = vl_convert.vegalite_to_svg(picture)
    return [bytes(vl_convert.svg_to_png(svg, scale=scale)) for scale in scales]


def _tile(name: str, number: str, said: str) -> alt.LayerChart:
    base = alt.Chart(alt.InlineData(values=[{}])).properties(width=TILE_PX, height=86)

    def line(text: str, y: int, size: int, color: str) -> alt.Chart:
        mark = base.mark_text(text=text, align="left", fontSize=size, color=color)
        return mark.encode(x=alt.value(0), y=alt.value(y))

    words = [line(name, 8, 15, LIGHT.muted), line(number, 42, 34, LIGHT.ink), line(said, 74, 14, LIGHT.muted)]
    return alt.LayerChart(layer=words)


def _volume(name: str, days: Sequence[DayVolume]) -> Any:
    return charts.volume(volume_by_day(days), "", LIGHT).properties(
        width=TILE_PX, height=LINE_PX, title=f"{name.capitalize()} a day and what is expected"
    )


def _funnel(figures: Figures) -> alt.LayerChart:
    rows = [
        {"step": step.step, "sessions": step.sessions, "said": f"{STEPS[step.step]}: {step_in_words(step)}"}
        for step in figures.funnel
    ]
    base = alt.Chart(alt.InlineData(values=rows)).properties(
        width=2 * TILE_PX + GAP_PX, height=ROW_PX * len(rows), title="From visit to order"
    )
    y = alt.Y("step:N", sort=None, axis=None)
    bar = base.mark_bar(color=LIGHT.series[0], height=14, yOffset=10).encode(x=alt.X("sessions:Q", axis=None), y=y)
    words = base.mark_text(align="left", fontSize=14, color=LIGHT.ink, dy=-9).encode(
        x=alt.XDatum(0), y=y, text="said:N"
    )
    return alt.LayerChart(layer=[bar, words])
