"""What measurements say: aims with their spread, the terminal's lines, and data/bench/results.json.

Belongs here: how a number is told and kept. What is measured, and what the aim is, belongs to the measurement.
"""

import json
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import typer

from greenery_assets.settings import PROJECT_ROOT

RESULTS = PROJECT_ROOT / "data" / "bench"


@dataclass(frozen=True)
class Aim:
    """A number, as often as it was measured, and the bound that its median should keep, if there is one."""

    what: str
    values: Sequence[float]
    at_most: float | None = None
    at_least: float | None = None
    unit: str = ""

    @property
    def median(self) -> float:
        """The middle one, which the bound is for."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool | None:
        """Whether the median keeps the bound; None without one."""
        if self.at_most is not None:
            return self.median <= self.at_most
        return None if self.at_least is None else self.median >= self.at_least

    def line(self) -> str:
        """All of it for the terminal."""
        spread = f"{_short(self.median)} ({_short(min(self.values))} to {_short(max(self.values))})"
        bound = "at most" if self.at_most is not None else "at least"
        limit = self.at_most if self.at_most is not None else self.at_least
        verdict = "" if limit is None else f"; aim: {bound} {_short(limit)}, {'met' if self.is_met else 'missed'}"
        return f"{self.what}: {' '.join(filter(None, (spread, self.unit)))}{verdict}"

    def as_json(self) -> dict[str, Any]:
        """All of it for the file."""
        return {
            "what": self.what,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "count": len(self.values),
            "at_most": self.at_most,
            "at_least": self.at_least,
            "met": self.is_met,
        }


@dataclass(frozen=True)
class Measured:
    """What a measurement found: its aims, and the plain values behind them."""

    aims: Sequence[Aim]
    facts: Any


def ratios(these: Iterable[float], those: Iterable[float]) -> list[float]:
    """One by the other, pair by pair."""
    return [one / other for one, other in zip(these, those, strict=True)]


def measure(name: str, measurement: Callable[[Path], Measured]) -> Measured:
    """Measure in a folder that is removed; tell the result, and keep it in results.json beside the others'."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="measuring_", dir=RESULTS) as folder:
        found = measurement(Path(folder))
    for aim in found.aims:
        typer.echo(aim.line())
    path = RESULTS / "results.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[name] = {"machine": _machine(), "aims": [aim.as_json() for aim in found.aims], "facts": found.facts}
    path.write_text(json.dumps(_rounded(kept), indent=1) + "\n")
    return found


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "load": os.getloadavg()[0],
    }


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _rounded(value: Any) -> Any:
    """To four digits, which is more than a measurement knows, and keeps the file small."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case _:
            return value
