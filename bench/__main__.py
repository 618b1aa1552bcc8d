"""`make bench`: every measurement, its aims on the terminal, in a JSON file, and a picture of the cost curve."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer

from bench import equality, results, scale, seed, sensor, small
from bench.picture import cost_curve
from bench.results import Aim, Measured, measure, ratios
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.sample.spec import yesterday

app = typer.Typer(help="Measure the platform; see docs/performance.md.", pretty_exceptions_enable=False)

MEMORY = "4GB"
LENGTHS = (36, 120, 358)
# The aims are for the larger of each.
SIZES = (1_000_000, 10_000_000)
MANY_RUNS = 10_000


@app.command("all")
def everything() -> None:
    """Every measurement, in this order."""
    compare()
    run_small()
    run_sensor()
    run_seed()
    run_scale()


@app.command("equality")
def compare(loads: int = 60, every: int = 10, chance: Annotated[int, typer.Option("--seed")] = 3) -> None:
    """Marts kept by load against full rebuilds, row by row, over a random sequence of loads."""

    def measured(folder: Path) -> Measured:
        found = []
        for one in equality.compare_over_loads(folder, loads=loads, every=every, seed=chance):
            typer.echo(f"after {one.load} loads, {one.rows:,} events: {one.different or 'equal'}")
            found.append(one)
        rows = [sum(one.different.values()) for one in found]
        facts = [{"load": one.load, "events": one.rows, "different": one.different} for one in found]
        return Measured([Aim("most rows that differ from a full rebuild", [max(rows)], at_most=0)], facts)

    measure("equality", measured)


@app.command("small")
def run_small(count: int = 7, source: Path | None = None) -> None:
    """`make run` and the job in a running web interface against a plain `dbt build`, on a source folder or a sample."""

    def measured(folder: Path) -> Measured:
        if source is None:
            generate(SampleSpec(until=yesterday()), folder / "source")
        data = (source or folder / "source").absolute()
        pairs = small.pairs(folder / "make_run", data, count)
        inside = small.pairs_from_interface(folder / "make_ui", data, count)
        wall, cpu = (ratios([pair.job[n] for pair in pairs], [pair.dbt_build[n] for pair in pairs]) for n in (0, 1))
        plain = [pair["dbt build"] for pair in inside]
        aims = [
            Aim("job / dbt build, wall", wall, at_most=2),
            Aim("job / dbt build, cpu", cpu),
            Aim("the report step / the run, wall", [pair.report_share for pair in pairs]),
            Aim(
                "run in the web interface / dbt build, wall",
                ratios([pair["run"] for pair in inside], plain),
                at_most=1.5,
            ),
            Aim("the same, from its launch", ratios([pair["launch"] for pair in inside], plain)),
        ]
        steps = {name: dict(small.phases(folder / name)) for name in ("make_run", "make_ui")}
        for name, spans in steps.items():
            typer.echo(f"last run of {name}: {', '.join(f'{step} {seconds:.1f} s' for step, seconds in spans.items())}")
        facts = {"make_run": [vars(pair) for pair in pairs], "make_ui": inside, "steps_s": steps}
        return Measured(aims, facts)

    measure("small", measured)


@app.command("sensor")
def run_sensor(few: int = 100, many: int = MANY_RUNS, count: int = 5) -> None:
    """A tick when nothing happened and with new runs to read, after few and after many runs."""

    def measured(folder: Path) -> Measured:
        generate(SampleSpec(until=yesterday()), folder / "source")
        seconds: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        most = 0
        for runs, new, ticks in sensor.ticks(folder, folder / "source", (few, many), (1, 10, 50), count):
            seconds[new][runs].append(sum(tick.seconds for tick in ticks))
            most = max(most, len(ticks))
        aims = []
        for new, by in seconds.items():
            what = f"tick, new runs: {new}," if new else "idle tick"
            for runs, values in by.items():
                bound = 200 if runs >= MANY_RUNS and not new else None
                aims.append(Aim(f"{what} after {runs:,}", [value * 1000 for value in values], bound, unit="ms"))
            aims.append(Aim(f"{what}, after {many:,} / after {few:,}", ratios(by[many], by[few])))
        return Measured(
            aims, {"seconds": {new: dict(by) for new, by in seconds.items()}, "most_ticks_to_read_all": most}
        )

    measure("sensor", measured)


@app.command("seed")
def run_seed(
    events: Annotated[list[int] | None, typer.Option()] = None, days: int = 365, pairs: int = 5, memory: str = MEMORY
) -> None:
    """The seed's marts as its analysts word them against the project's SQL: cpu, and equality row by row."""

    def measured(folder: Path) -> Measured:
        aims: list[Aim] = []
        facts: dict[int, Any] = {}
        for size in events or SIZES:
            rivals = seed.Rivals(folder / str(size), size, days, memory)
            rivals.prepare()
            try:
                costs = list(rivals.pairs(pairs))
                floors = [rivals.floor() for _ in costs]
            except RuntimeError as error:
                facts[size] = {"failed": str(error)}
                typer.echo(f"{size:,} events: {error}")
                continue
            compared = rivals.compared()
            for table, one in compared.items():
                typer.echo(f"{size:,} events, {table}: {one.rows:,} rows, {dict(one.different) or 'equal'}")
            cpu = {side: [pair[side].cpu for pair in costs] for side in costs[0]}
            without_cause = sum(one.different.get(seed.UNEXPLAINED, 0) for one in compared.values())
            aims += [
                Aim(
                    f"{size:,} events: the seed's SQL / the project's, cpu",
                    ratios(cpu["seed"], cpu["project"]),
                    at_least=4 if size >= SIZES[-1] else None,
                ),
                *(Aim(f"{size:,} events: {side}", values, unit="s cpu") for side, values in cpu.items()),
                Aim(
                    f"{size:,} events: the seed's SQL / reading its inputs and writing its tables, cpu",
                    ratios(cpu["seed"], floors),
                ),
                Aim(f"{size:,} events: rows that differ without a cause", [without_cause], at_most=0),
            ]
            facts[size] = {
                "pairs": [{side: vars(cost) for side, cost in pair.items()} for pair in costs],
                "tables": {table: vars(one) for table, one in compared.items()},
            }
            rivals.remove()
        return Measured(aims, facts)

    measure("seed", measured)


@app.command("scale")
def run_scale(
    events_a_day: int = 280_000,
    length: Annotated[list[int] | None, typer.Option()] = None,
    fulls: int = 2,
    more: int = 3,
    memory: str = MEMORY,
) -> None:
    """One new day after histories of several lengths, against full refreshes and the floor; all lengths in turn."""
    lengths = sorted(length or LENGTHS)

    def measured(folder: Path) -> Measured:
        shops = {days: scale.prepare(folder / str(days), events_a_day, days, memory) for days in lengths}
        found: dict[int, dict[str, Any]] = {
            days: {"load_s": bench.load(), "full": [], "floor": [], "days": [], "checked_days": [], "all_checks": []}
            for days, (_, bench) in shops.items()
        }
        for _ in range(fulls):
            for days, (_, bench) in shops.items():
                found[days]["full"].append(scale.facts(scale.full_refresh(bench)))
                wall, cpu = scale.floor(bench, folder, memory)
                found[days]["floor"].append({"wall_s": wall, "cpu_s": cpu})

        def add_days(kind: str, first: int) -> None:
            for number in range(first, first + more):
                for days, (history, bench) in shops.items():
                    day = scale.next_day(history, bench, days + number, checked=kind == "checked_days")
                    found[days][kind].append({"load_s": day.load, **scale.facts(day.built)})

        # Models by themselves first: beside checks they take longer, and checks look at all that they have not seen.
        add_days("days", 0)
        for days, (_, bench) in shops.items():
            found[days]["all_checks"].append(scale.facts(scale.all_checks(bench)))
        add_days("checked_days", more)
        return Measured(scale.aims(found, events_a_day), {"events_a_day": events_a_day, "histories": found})

    (results.RESULTS / "cost.svg").write_text(cost_curve(measure("scale", measured).facts))


if __name__ == "__main__":
    app()
