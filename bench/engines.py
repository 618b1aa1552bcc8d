"""The same history in each database that is set up: load, full refresh, one day more and its checks, side by side.

Belongs here: which databases take part, and the order of the runs. What differs between databases is their settings
(greenery_assets/settings.py), and what their servers spend (servers.py).
"""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest.mock import patch

from bench import servers
from bench.history import History, Shop
from bench.scale import ONLY_TESTS, WITHOUT_TESTS, Cost, full_refresh
from bench.warehouse import Bench
from greenery_assets.preparation import prepare
from greenery_assets.settings import ENGINES, SettingsError, load_settings
from greenery_assets.warehouse import WarehouseError, WarehouseMissingError, open_for_reading


class EngineBench(Bench):
    """A Bench in the database that the settings name for an engine, and what its runs cost."""

    def __init__(self, engine: str, folder: Path, memory_limit: str, spark_ui: str | None) -> None:
        """Raises SettingsError where it is not set up, and WarehouseError where it is of no use or not empty."""
        self.spark_ui = spark_ui
        own = {"GREENERY_ENGINE": engine, "GREENERY_WAREHOUSE_PATH": str(folder / engine / "greenery.duckdb")}
        own |= {"GREENERY_MEMORY_LIMIT": memory_limit, "DAGSTER_HOME": str(folder / engine / "dagster_home")}
        with patch.dict(os.environ, own):
            settings = load_settings()
            prepare(settings)
            # The environment of dbt is as it is now.
            super().__init__(settings.warehouse_path, folder / "source", settings.warehouse)
        try:
            with open_for_reading(self.place):
                raise WarehouseError(f"The warehouse {self.place} has tables already; name an empty database.")
        except WarehouseMissingError:
            self.warehouse.parent.mkdir(exist_ok=True)

    def cost_of_load(self) -> Cost:
        """Bring the raw tables up to date, in this process."""
        before, cpu = self._counters(), time.process_time()
        wall = self.load()
        return self._cost({"wall s": wall, "cpu s": time.process_time() - cpu}, before)

    def cost_of_build(self, *arguments: str) -> Cost:
        """Run dbt in a process of its own; without arguments a full refresh."""
        before = self._counters()
        built = self.build("build", *arguments) if arguments else full_refresh(self)
        return self._cost({"wall s": built.wall, "cpu s": built.cpu}, before, built.seconds)

    def _counters(self) -> dict[str, float]:
        return servers.counters(self.place, self.spark_ui)

    def _cost(self, numbers: dict[str, float], before: Mapping[str, float], nodes: Mapping[str, float] = {}) -> Cost:
        after = self._counters()
        numbers |= {name: after[name] - number for name, number in before.items()}
        return Cost(numbers | servers.size(self.place), nodes)


def benches(folder: Path, memory_limit: str, spark_ui: str | None = None) -> tuple[dict[str, EngineBench], list[str]]:
    """A bench of each engine that is set up, and a sentence about each other one. Raises WarehouseError."""
    found, missing = {}, []
    for engine in ENGINES:
        try:
            found[engine] = EngineBench(engine, folder, memory_limit, spark_ui)
        except SettingsError as error:
            missing.append(f"{engine} takes no part. {error}")
    return found, missing


def measure(
    found: Mapping[str, EngineBench], folder: Path, *, events: int, days: int, more: int, memory_limit: str
) -> Iterator[tuple[str, str, Cost]]:
    """Engine, kind of run and its cost, run by run: after so many events in so many days, and on `more` days."""
    history = History(Shop.of_events(round(events / days)), folder / "source", memory_limit)
    history.write_past(days)
    for engine, bench in found.items():
        yield engine, "load", bench.cost_of_load()
        yield engine, "full refresh", bench.cost_of_build()
        # Until every check has looked at everything, none looks at the affected days alone.
        yield engine, "all checks", bench.cost_of_build(*ONLY_TESTS)
        bench.environment["GREENERY_CHECKS"] = "new"
    for number in range(days, days + more):
        history.write_day(number)
        for engine, bench in found.items():
            yield engine, "load of a day", bench.cost_of_load()
            yield engine, "one day more", bench.cost_of_build(*WITHOUT_TESTS)
            yield engine, "its checks", bench.cost_of_build(*ONLY_TESTS)
