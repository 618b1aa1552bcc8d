"""`make bench`: what is measured, by part, with its numbers on the terminal."""

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from bench import engines, equality, job, scale
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.sample.spec import yesterday
from greenery_assets.settings import PROJECT_ROOT
from greenery_assets.warehouse import WarehouseError

app = typer.Typer(help="Measure the platform; see docs/performance.md.", pretty_exceptions_enable=False)

Against = Annotated[
    Path | None,
    typer.Option(
        help="Another checkout of the project, set up by its own make, to be measured in turns on the same data."
    ),
]


@app.command("all")
def everything() -> None:
    """Every measurement, in this order."""
    compare()
    run_job()
    cost()


@app.command("equality")
def compare(loads: int = 60, every: int = 10, chance: Annotated[int, typer.Option("--seed")] = 3) -> None:
    """Marts rebuilt by day against full rebuilds, row by row, over random loads; exits 1 where they differ."""
    told = different = 0
    with _folder() as folder:
        for one in equality.compare_over_loads(Path(folder), loads=loads, every=every, seed=chance):
            for what in one.happened[told:]:
                typer.echo(f"  {what}")
            typer.echo(
                f"after {one.load} loads, {one.rows:,} events, {one.by_day} of {one.runs} runs by day: "
                f"{one.different or 'equal'}"
            )
            told, different = len(one.happened), different + bool(one.different)
    if different:
        raise typer.Exit(1)


@app.command("job")
def run_job(count: int = 5, source: Path | None = None, against: Against = None) -> None:
    """`make run` against a plain `dbt build`, from a source folder or from sample data."""
    with _folder() as folder:
        if source is None:
            generate(SampleSpec(until=yesterday()), Path(folder) / "source")
        found = job.pairs(Path(folder), (source or Path(folder) / "source").absolute(), _checkouts(against), count)
    dbt_build = found.pop("dbt build")
    for unit, number in (("wall s", 0), ("cpu s", 1)):
        runs = [[run[number] for run in costs] for costs in found.values()]
        _show(f"make run, {unit}", runs, against)
        _show(f"dbt build, {unit}", [[run[number] for run in dbt_build]])
        _show(
            f"make run / dbt build, {unit.split()[0]}",
            [[one / run[number] for one, run in zip(runs[-1], dbt_build, strict=True)]],
        )


@app.command("cost")
def cost(
    events: int = 10_000_000,
    days: int = 358,
    pairs: int = 3,
    memory: str = "4GB",
    against: Against = None,
) -> None:
    """A full refresh, one day more and its checks after so many events in so many days: dbt's process by itself."""
    with _folder() as folder:
        sides = scale.measure(
            Path(folder), _checkouts(against), events=events, days=days, pairs=pairs, memory_limit=memory
        )
    for what, costs in sides[-1].costs.items():
        for unit in costs[0].numbers:
            _show(f"{what}, {unit}", [[cost.numbers[unit] for cost in side.costs[what]] for side in sides], against)
        _show_slowest(costs[-1])


@app.command("engines")
def side_by_side(
    events: int = 10_000_000,
    days: int = 358,
    more: Annotated[int, typer.Option(help="Days that are loaded and built one by one after these.")] = 2,
    memory: str = "4GB",
    spark_ui: Annotated[
        str | None, typer.Option(help="Address of the page of Spark's server, such as http://localhost:4040.")
    ] = None,
) -> None:
    """The same history on each database that is set up: DuckDB, and servers with an empty one; see docs/engines.md."""
    with _folder() as folder:
        try:
            found, missing = engines.benches(Path(folder), memory, spark_ui)
            for sentence in missing:
                typer.echo(sentence, err=True)
            if not found:
                raise typer.BadParameter("No database takes part.")
            for engine, what, cost in engines.measure(
                found, Path(folder), events=events, days=days, more=more, memory_limit=memory
            ):
                numbers = ", ".join(f"{unit} {number:.3g}" for unit, number in cost.numbers.items())
                typer.echo(f"{engine}, {what}: {numbers}")
                _show_slowest(cost)
        except WarehouseError as error:
            raise typer.BadParameter(str(error)) from None


def _checkouts(against: Path | None) -> list[Path]:
    if against and not (against / ".venv" / "bin" / "dbt").exists():
        raise typer.BadParameter(f"{against} is not set up: run make there first, for example make sample.")
    return [*([against.absolute()] if against else []), PROJECT_ROOT]


def _folder() -> "tempfile.TemporaryDirectory[str]":
    (PROJECT_ROOT / "data").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="measuring_", dir=PROJECT_ROOT / "data")


def _show(what: str, by_side: Sequence[Sequence[float]], against: Path | None = None) -> None:
    """Median, smallest and largest of each side, and of the ratios of the pairs."""
    line = f"{what}: {_spread(by_side[-1])}"
    if against:
        ratios = [here / there for there, here in zip(*by_side, strict=True)]
        line += f"; in {against.name} {_spread(by_side[0])}; ratio {_spread(ratios)}"
    typer.echo(line)


def _show_slowest(cost: scale.Cost) -> None:
    if slowest := sorted(cost.nodes.items(), key=lambda node: -node[1])[:6]:
        typer.echo(f"  slowest: {', '.join(f'{name} {seconds:.1f} s' for name, seconds in slowest)}")


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    app()
