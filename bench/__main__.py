"""`make bench`: every measurement, its numbers on the terminal, in a JSON file and as a picture of the cost curve."""

import json
import os
import platform
import shutil
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import typer

from bench import equality, scale, sensor, small
from bench.picture import cost_curve
from bench.warehouse import Built
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.sample.spec import yesterday
from greenery_assets.settings import PROJECT_ROOT

app = typer.Typer(help="Measure the platform; see docs/performance.md.", pretty_exceptions_enable=False)
RESULTS = PROJECT_ROOT / "data" / "bench"


@app.command("all")
def everything(events_a_day: int = 280_000, short: int = 36, long: int = 358, memory: str = "4GB") -> None:
    """Every measurement, in this order."""
    compare()
    run_small()
    run_sensor()
    run_scale(events_a_day, short, long, memory)


@app.command("equality")
def compare(loads: int = 60, every: int = 10, seed: int = 3) -> None:
    """Marts kept by load against full rebuilds, row by row, over a random sequence of loads."""

    def measure(folder: Path) -> list[dict[str, Any]]:
        found = []
        for one in equality.compare_over_loads(folder, loads=loads, every=every, seed=seed):
            typer.echo(f"after {one.load} loads, {one.rows:,} events: {one.different or 'equal'}")
            found.append({"load": one.load, "events": one.rows, "different": one.different})
        return found

    _measured("equality", measure)


@app.command("small")
def run_small(count: int = 7, source: Path | None = None) -> None:
    """`make run` and the job in a running web interface against a plain `dbt build`, on a source folder or a sample."""

    def measure(folder: Path) -> dict[str, Any]:
        if source is None:
            generate(SampleSpec(until=yesterday()), folder / "source")
        data = (source or folder / "source").absolute()
        found = small.pairs(folder / "make_run", data, count)
        walls = [pair["job"][0] / pair["dbt build"][0] for pair in found]
        cpus = [pair["job"][1] / pair["dbt build"][1] for pair in found]
        typer.echo(f"job / dbt build: wall {_spread(walls)}, cpu {_spread(cpus)}")
        inside = small.pairs_from_interface(folder / "make_ui", data, count)
        runs, launches = ([pair[part] / pair["dbt build"] for pair in inside] for part in ("run", "launch"))
        typer.echo(f"run in the web interface / dbt build: wall {_spread(runs)}, since its launch {_spread(launches)}")
        steps = {name: small.phases(folder / name) for name in ("make_run", "make_ui")}
        for name, spans in steps.items():
            typer.echo(f"last run of {name}: {', '.join(f'{step} {seconds:.1f} s' for step, seconds in spans)}")
        return {
            "pairs": found,
            "wall_ratio": statistics.median(walls),
            "cpu_ratio": statistics.median(cpus),
            "interface_pairs": inside,
            "run_ratio": statistics.median(runs),
            "launch_ratio": statistics.median(launches),
            "steps_s": {name: dict(spans) for name, spans in steps.items()},
        }

    _measured("small", measure)


@app.command("sensor")
def run_sensor(few: int = 100, many: int = 10_000) -> None:
    """A tick when nothing happened, after few and after many runs."""

    def measure(folder: Path) -> dict[int, float]:
        found = sensor.medians(folder, few, many)
        for runs, seconds in found.items():
            typer.echo(f"tick after {runs:,} runs: {seconds * 1000:.0f} ms")
        return found

    _measured("sensor", measure)


@app.command("scale")
def run_scale(events_a_day: int = 280_000, short: int = 36, long: int = 358, memory: str = "4GB") -> None:
    """One new day after a short and a long history, against a full refresh and the floor."""

    def measure(folder: Path) -> dict[str, Any]:
        found: dict[str, Any] = {"events_a_day": events_a_day}
        for days in (short, long):
            history, bench = scale.prepare(folder / str(days), events_a_day, days, memory)
            load = bench.load()
            full = bench.build("build", "--exclude-resource-type", "test", "--full-refresh")
            wall, cpu = scale.floor(bench, folder, memory)
            each = scale.next_days(history, bench, days, 3, with_checks=False)
            models = statistics.median(day.built.models for day in each)
            typer.echo(
                f"{days} days: full refresh {_line(full)}, {full.cpu / cpu:.1f} times the floor's cpu "
                f"({cpu:.0f} s); one day more: models {models:.1f} s, {full.models / models:.0f} times less"
            )
            found[str(days)] = {
                "load_s": load,
                "full": _facts(full),
                "floor": {"wall_s": wall, "cpu_s": cpu},
                "days": [{"load_s": day.load, **_facts(day.built)} for day in each],
            }
            shutil.rmtree(folder / str(days))
        return found

    _measured("scale", measure)


def _facts(built: Built) -> dict[str, Any]:
    slowest = sorted(built.seconds.items(), key=lambda item: -item[1])[:12]
    return {
        "wall_s": built.wall,
        "cpu_s": built.cpu,
        "peak_gb": built.peak_gb,
        "models_s": built.models,
        "slowest_s": dict(slowest),
    }


def _line(built: Built) -> str:
    return f"{built.wall:.0f} s, cpu {built.cpu:.0f} s, peak {built.peak_gb:.1f} GB, models {built.models:.0f} s"


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _measured(name: str, measure: Callable[[Path], Any]) -> None:
    """Measure in a folder that is removed, and keep the result beside those of the other measurements."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="measuring_", dir=RESULTS) as folder:
        result = measure(Path(folder))
    path = RESULTS / "results.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept["machine"] = {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "duckdb": duckdb.__version__,
        "load": os.getloadavg()[0],
    }
    kept[name] = result
    path.write_text(json.dumps(kept, indent=2, default=str) + "\n")
    if name == "scale":
        (RESULTS / "cost.svg").write_text(cost_curve(json.loads(path.read_text())["scale"]))


if __name__ == "__main__":
    app()
