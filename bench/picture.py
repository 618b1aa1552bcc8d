"""The cost curve as an SVG: seconds of the models by days of history, of one day more and of a full refresh."""

import math
import statistics
from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 360, 70, 50
LINES = {"a full refresh": "#b91c1c", "one day more": "#15803d"}


def cost_curve(scale: Mapping[str, Any]) -> str:
    """Both axes are logarithmic. `scale` is what the measurement of that name found."""
    days = sorted(int(name) for name in scale if name.isdigit())
    lines = {
        "a full refresh": [scale[str(day)]["full"]["models_s"] for day in days],
        "one day more": [statistics.median(one["models_s"] for one in scale[str(day)]["days"]) for day in days],
    }
    seconds = [value for line in lines.values() for value in line]
    low, high = math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds)))
    first, last = math.log10(days[0]), math.log10(days[-1])

    def across(day: float) -> float:
        return LEFT + (math.log10(day) - first) / ((last - first) or 1) * (WIDTH - LEFT - 150)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (math.log10(value) - low) / ((high - low) or 1) * (HEIGHT - BOTTOM - 30)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        '<text x="10" y="18">seconds of all models</text>',
        f'<text x="{LEFT}" y="{HEIGHT - 8}">days of history, {scale["events_a_day"]:,} events a day</text>',
    ]
    for power in range(low, high + 1):
        y = up(10**power)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 150}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{10**power:g}</text>')
    for day in days:
        parts.append(f'<text x="{across(day):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{day}</text>')
    for name, values in lines.items():
        points = " ".join(f"{across(day):.0f},{up(value):.0f}" for day, value in zip(days, values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{LINES[name]}" stroke-width="2"/>')
        for day, value in zip(days, values, strict=True):
            parts.append(f'<circle cx="{across(day):.0f}" cy="{up(value):.0f}" r="4" fill="{LINES[name]}"/>')
            parts.append(f'<text x="{across(day):.0f}" y="{up(value) - 9:.0f}" text-anchor="middle">{value:.1f}</text>')
        label = f'<text x="{WIDTH - 130}" y="{up(values[-1]) + 4:.0f}" fill="{LINES[name]}">{name}</text>'
        parts.append(label)
    return "\n".join([*parts, "</svg>\n"])
