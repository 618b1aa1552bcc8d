"""What a full refresh, one day more and its checks cost, of two checkouts of the project on the same data if asked.

The cost of dbt's own process, as the daily job runs it but without Dagster around it.
"""

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.history import History, Shop
from bench.warehouse import Bench, Built
from greenery_assets.dbt.refresh import LARGE, by_month, months
from greenery_assets.settings import working_file
from greenery_assets.warehouse import open_for_reading

WITHOUT_TESTS = ("--exclude-resource-type", "test")
ONLY_TESTS = ("--select", "resource_type:test")

# A checkout's own code loads and builds, in a process of its own.
_STEP = """
import json, pathlib, sys
from bench import scale, warehouse
step, file, source, memory, checks = sys.argv[1:]
bench = warehouse.Bench(pathlib.Path(file), pathlib.Path(source), GREENERY_MEMORY_LIMIT=memory, GREENERY_CHECKS=checks)
if step == "load":
    found = {"numbers": {"wall s": bench.load()}}
else:
    built = scale.full_refresh(bench) if step == "full" else bench.build("build", *json.loads(step))
    numbers = {"cpu s": built.cpu, "wall s": built.wall, "peak GB": built.peak_gb}
    found = {"numbers": numbers, "nodes": dict(built.seconds)}
# On a line of its own: DuckDB draws its progress there too.
print("\\n" + json.dumps(found))
"""


@dataclass(frozen=True)
class Cost:
    """Of a run: numbers by their unit, and dbt's seconds of each node."""

    numbers: dict[str, float]
    nodes: Mapping[str, float] = field(default_factory=dict)


def full_refresh(bench: Bench, most: int = LARGE) -> Built:
    """All models from all of the history, by month where there are more than `most` events, as the job does it."""
    with open_for_reading(bench.place) as connection:
        parts = months(connection, most)
    if not parts:
        return bench.build("build", *WITHOUT_TESTS, "--full-refresh")
    before, last = by_month(parts)
    builds = [
        # `dbt run` has no tests to leave out.
        bench.build(command, *arguments, *(WITHOUT_TESTS if command == "build" else ()))
        for command, *arguments in [*before, ["build", *last]]
    ]
    seconds: dict[str, float] = defaultdict(float)
    for built in builds:
        for name, spent in built.seconds.items():
            seconds[name] += spent
    return Built(
        wall=sum(built.wall for built in builds),
        cpu=sum(built.cpu for built in builds),
        peak_gb=max(built.peak_gb for built in builds),
        seconds=seconds,
        failed=(),
    )


@dataclass
class Side:
    """A checkout with a warehouse of its own, and what each kind of run cost it, run by run."""

    checkout: Path
    warehouse: Path
    source: Path
    memory_limit: str
    costs: dict[str, list[Cost]] = field(default_factory=lambda: defaultdict(list))

    @property
    def file(self) -> Path:
        """The file in which it works; that of an older checkout has no other name."""
        working = working_file(self.warehouse)
        return working if working.exists() else self.warehouse

    def load(self) -> None:
        """Bring the raw tables up to date."""
        self._run("load", "load")

    def full_refresh(self) -> None:
        """All models, without checks; then the size of the warehouse file is noted too."""
        self._run("full refresh", "full")
        self.costs["full refresh"][-1].numbers["file GB"] = self.file.stat().st_size / 1e9

    def all_checks(self) -> None:
        """Every check over everything, as on Sundays."""
        self._run("all checks", json.dumps(ONLY_TESTS))

    def day(self) -> None:
        """What has been loaded since the last build: the models, and then the checks."""
        self._run("one day more", json.dumps(WITHOUT_TESTS), checks="new")
        self._run("its checks", json.dumps(ONLY_TESTS), checks="new")

    def _run(self, what: str, step: str, checks: str = "all") -> None:
        """Raises RuntimeError with what it wrote where it breaks."""
        arguments = [step, str(self.warehouse), str(self.source), self.memory_limit, checks]
        done = subprocess.run(
            [str(self.checkout / ".venv" / "bin" / "python"), "-c", _STEP, *arguments],
            cwd=self.checkout,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{what} in {self.checkout}:\n{done.stderr}")
        self.costs[what].append(Cost(**json.loads(done.stdout.splitlines()[-1])))


def measure(
    folder: Path, checkouts: Sequence[Path], *, events: int, days: int, pairs: int, memory_limit: str
) -> list[Side]:
    """All kinds of runs on a shop with so many events in so many days, each checkout in turn, so many times."""
    history = History(Shop.of_events(round(events / days)), folder / "source", memory_limit)
    history.write_past(days)
    sides = [
        Side(checkout, folder / str(number) / "greenery.duckdb", history.folder, memory_limit)
        for number, checkout in enumerate(checkouts)
    ]
    for side in sides:
        side.load()
    for _ in range(pairs):
        for side in sides:
            side.full_refresh()
    for side in sides:
        side.all_checks()
    for number in range(days, days + pairs):
        history.write_day(number)
        for side in sides:
            side.load()
            side.day()
    return sides
