"""The cost curve: seconds of the models by days of history, of one day more and of a full refresh."""

import statistics
from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

import altair as alt
import vl_convert

from greenery_assets.report import charts
from greenery_assets.report.picture import FONT, LIGHT

FULL, MORE = "a full refresh", "one day more"


def cost_curve(scale: Mapping[str, Any]) -> str:
    """An SVG of the facts of the measurement `scale`, both axes logarithmic: medians, and bars from min to max."""
    rows = [
        {
            "days": int(days),
            "what": what,
            "low": min(seconds),
            "median": statistics.median(seconds),
            "high": max(seconds),
        }
        for days, facts in scale["histories"].items()
        for what, seconds in (
            (FULL, [one["models_s"] for one in facts["full"]]),
            (MORE, [one["models_s"] for one in facts["days"]]),
        )
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "days:Q",
            title=f"days of history, {scale['events_a_day']:,} events a day",
            scale=alt.Scale(type="log", nice=False, padding=60),
            axis=alt.Axis(values=sorted({row["days"] for row in rows}), format="d", grid=False),
        ),
        color=alt.Color("what:N", scale=alt.Scale(domain=[FULL, MORE], range=[LIGHT.series[1], LIGHT.series[0]])),
    )
    # In powers of ten: a line for each of two to nine would hide the curve.
    seconds = [value for row in rows for value in (row["low"], row["high"])]
    powers = [10**power for power in range(floor(log10(min(seconds))), ceil(log10(max(seconds))) + 1)]
    scale_y = alt.Scale(type="log", domain=[powers[0], powers[-1]])
    y = alt.Y("median:Q", title="seconds of all models", scale=scale_y, axis=alt.Axis(values=powers, format=",~g"))
    shape = alt.Shape("what:N", scale=alt.Scale(domain=[FULL, MORE], range=charts.SHAPES[:2]))
    chart = alt.layer(
        base.mark_line(strokeWidth=2).encode(y=y),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", scale=scale_y), y2="high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(y=y, shape=shape),
        base.mark_text(dx=14, dy=14, align="left", fontSize=13).encode(y=y, text=alt.Text("median:Q", format=",.3~r")),
    ).properties(
        title=alt.TitleParams("What the models cost by length of history", offset=14),
        width=620,
        height=340,
        background=LIGHT.surface,
        padding=16,
    )
    return str(vl_convert.vegalite_to_svg(charts.configured(chart, LIGHT, FONT).to_dict()))
