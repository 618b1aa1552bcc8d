"""Fixtures that cost much and are shared: one sample, one built warehouse for all tests that only read."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
import sqlalchemy
from filelock import FileLock
from sqlalchemy import Engine, NullPool, QueuePool, event
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

_engines: dict[str, Engine] = {}


def _one_for_each_file(create_engine: Callable[..., Engine]) -> Callable[..., Engine]:
    """SQLAlchemy's function, giving the same engine for the same SQLite file, with connections that are used again.

    Dagster wants an engine and a connection for each event, of which a run has thousands: each compiles its SQL again.
    """

    def engine_of(url: str, **options: Any) -> Engine:
        if not str(url).startswith("sqlite") or options.get("poolclass") is not NullPool:
            return create_engine(url, **options)
        name = f"{url} {options}"
        if name not in _engines:
            _engines[name] = create_engine(url, **{**options, "poolclass": QueuePool})
            # Dagster closes it after each use.
            _engines[name].dispose = lambda close=True: None  # type: ignore[method-assign]  # noqa: ARG005
        return _engines[name]

    return engine_of


def close_sqlite() -> None:
    """Close the files that Dagster's storage has open, so that what is in SQLite's own logs gets into them."""
    for engine in _engines.values():
        Engine.dispose(engine)
    _engines.clear()


# Before Dagster is imported.
sqlalchemy.create_engine = _one_for_each_file(sqlalchemy.create_engine)

# The definitions read settings when they are imported: tests must never touch the developer's own warehouse.
for variable in [name for name in os.environ if name.startswith("GREENERY_")]:
    del os.environ[variable]

from greenery_assets.dbt import project  # noqa: E402
from greenery_assets.sample import SampleSpec, generate  # noqa: E402
from greenery_assets.settings import Settings, load_settings  # noqa: E402
from tests import postgres, spark  # noqa: E402
from tests.dbt_forked import DbtForker  # noqa: E402
from tests.job import ROOT, Home, Outcome, outcome_of  # noqa: E402

Settings.model_config["env_file"] = None

REAL_EXPORT = ROOT.parent / "shared" / "data" / "greenery"


# Files whose tests share what is costly within a process: a server, a browser, a warehouse that they change.
TOGETHER = {
    "tests/alerts/test_crashes.py": "crashes",
    "tests/alerts/test_privacy.py": "privacy",
    "tests/deploy/test_server.py": "server",
    "tests/test_checks_of_new.py": "new",
    "tests/test_conservation.py": "conservation",
    "tests/ui/test_alert_preview.py": "ui",
    "tests/ui/test_dbt_docs.py": "ui",
    "tests/ui/test_lineage.py": "ui",
    "tests/ui/test_report_figures.py": "pages",
    "tests/ui/test_report_page.py": "pages",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Have pytest know --whole."""
    parser.addoption("--whole", action="store_true", help="also the tests that take longest")
    parser.addoption("--spark", action="store_true", help="also what takes up to half an hour a test on Spark")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes longest, and say so, unless all is asked for; begin with what takes long."""
    if not config.getoption("--whole"):
        for item in items:
            if item.get_closest_marker("slowest"):
                item.add_marker(pytest.mark.skip(reason="takes long: make test ARGS=--whole, as CI does"))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    """When a test is begun, so that no process waits at the end, or for a shared home that another builds.

    First those that build all of the shared homes, beside the slow ones that need none of them.
    """
    group = _group(item.nodeid)
    if group in ("spark", "pages"):
        return 0
    if not group and not item.get_closest_marker("slow"):
        return 3
    return 2 if "built" in getattr(item, "fixturenames", ()) else 1


def _group(nodeid: str) -> str | None:
    """What a test belongs to. Those on Spark share one server."""
    path, _, name = nodeid.partition("::")
    is_on_spark = path == "tests/warehouse/test_spark.py" or name.endswith("[spark]")
    return "spark" if is_on_spark else TOGETHER.get(path)


class Together(LoadGroupScheduling):
    """Gives files that belong together to one process, and each other test to whichever is free.

    The marks that are for this have no effect with pytest 9.2 (pytest-xdist issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid) or nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Together:
    """Have xdist use it."""
    assert all((ROOT / path).exists() for path in TOGETHER)
    return Together(config, log)


def yesterday() -> "datetime":
    return datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all test processes of this session share."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session", autouse=True)
def _environment(shared_dir: Path) -> Iterator[None]:
    """Point the settings at a place of their own before anything imports the definitions."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in Home(shared_dir / "unused", shared_dir / "unused.duckdb").environment(shared_dir).items():
            patch.setenv(name, value)
        forker = DbtForker()
        patch.setattr(project, "DBT_COMMAND", str(forker.command))
        yield
        forker.close()


@pytest.fixture(autouse=True, scope="session")
def _no_waiting_for_the_disk() -> Iterator[None]:
    """SQLite need not outlive the machine here, as it does a killed process; each event of a run is a commit."""

    def hurry(connection: object, _record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("pragma synchronous=off")

    event.listen(Engine, "connect", hurry)
    yield
    event.remove(Engine, "connect", hurry)


@pytest.fixture(autouse=True)
def _no_file_stays_open() -> Iterator[None]:
    """What a test had open of SQLite is closed after it."""
    yield
    close_sqlite()


@pytest.fixture(scope="session")
def sample_dir(shared_dir: Path) -> Path:
    """The default sample, up to yesterday."""
    folder = shared_dir / "sample"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            generate(SampleSpec(until=yesterday().date()), folder)
    return folder


@pytest.fixture(scope="session")
def real_export() -> Path:
    """Greenery's real export, where this checkout has it beside it."""
    if not REAL_EXPORT.exists():
        pytest.skip("the real export is not beside this checkout (../shared/data/greenery)")
    return REAL_EXPORT


class RunJob(Protocol):
    """Runs the daily job."""

    def __call__(self, home: Home, source: Path, schedule: str = ..., **load: bool) -> Outcome:
        """As `run_daily_job`."""


@contextmanager
def settings_of(home: Home, source: Path) -> Iterator[None]:
    """Give this process the settings of a run in `home`, on a source folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.environment(source).items():
            patch.setenv(name, value)
        yield


def report_now(home: Home, source: Path) -> str:
    """Write the page of the state of the data in this process, as `make report` does; its verdict."""
    import dagster as dg  # noqa: PLC0415  seconds, which tests of pure modules need not pay

    with settings_of(home, source):
        from greenery_assets.definitions import catalogue  # noqa: PLC0415  reads the settings
        from greenery_assets.report.build import build_report  # noqa: PLC0415

        with dg.DagsterInstance.get() as instance:
            return build_report(instance, catalogue(), load_settings()).verdict


def run_daily_job(home: Home, source: Path, schedule: str = "daily_schedule", **load: bool) -> Outcome:
    """Run `daily_job` in this process as a schedule has it run, in `home`, on a source folder.

    `load` is the configuration of raw_tables: what somebody says explicitly on this run.
    """
    import dagster as dg  # noqa: PLC0415  seconds, which tests of pure modules need not pay

    with settings_of(home, source):
        from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

        with (
            dg.DagsterInstance.get() as instance,
            # It opens the instance once more. Left open, that is closed whenever memory is tidied up.
            dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC)) as now,
        ):
            requests = defs.resolve_schedule_def(schedule).evaluate_tick(now).run_requests or []
            result = defs.resolve_job_def("daily_job").execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "ops": {**requests[0].run_config.get("ops", {}), "raw_tables": {"config": load}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
            return outcome_of(instance, result.run_id)


@pytest.fixture(scope="session")
def run_job() -> RunJob:
    """The real job, callable."""
    return run_daily_job


def built_once(folder: Path, source: Path) -> tuple[Home, Outcome]:
    """A home where the daily job was run once for all test processes. Read only: copy it to run in it again."""
    with FileLock(f"{folder}.lock"):
        if not (folder / "outcome.json").exists():
            outcome = run_daily_job(Home.new(folder), source)
            outcome.dump(folder / "outcome.json")
    outcome = Outcome.parse(folder / "outcome.json")
    assert outcome.success, outcome.faults
    return Home(folder / "dagster_home", folder / "greenery.duckdb"), outcome


@pytest.fixture(scope="session")
def built(shared_dir: Path, sample_dir: Path) -> tuple[Home, Outcome]:
    """The sample run once."""
    return built_once(shared_dir / "built", sample_dir)


@pytest.fixture(scope="session")
def real_built(shared_dir: Path, real_export: Path) -> tuple[Home, Outcome]:
    """The real export run once."""
    return built_once(shared_dir / "real", real_export)


@pytest.fixture(scope="session")
def stopped(shared_dir: Path, built: tuple[Home, Outcome]) -> Home:
    """The sample run once, then once more with an ERROR in it: an order that was checked out twice. Read only."""
    folder = shared_dir / "stopped"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            generate(SampleSpec(until=yesterday().date(), defects=("second_checkout",)), folder / "source")
            outcome = run_daily_job(built[0].copy(folder), folder / "source", new_source=True)
            assert set(outcome.failing) == {"order_has_at_most_one_checkout"}
            (folder / "done").touch()
    return Home(folder / "dagster_home", folder / "greenery.duckdb")


@pytest.fixture(scope="session")
def built_warehouse(built: tuple[Home, Outcome]) -> Path:
    """The DuckDB file of the sample run."""
    return built[0].warehouse


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server's first database."""
    if not postgres.is_here():
        pytest.skip("no PostgreSQL is installed here")
    with postgres.server() as address:
        yield address


@pytest.fixture(scope="session")
def spark_url() -> Iterator[str]:
    """The address of a Spark Thrift server."""
    if not spark.is_here():
        pytest.skip("no Spark with Iceberg is installed here (docs/engines.md)")
    with spark.server() as address:
        yield address


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes."""
    with mounted(tmp_path / "small", megabytes=3) as folder:
        yield folder


@contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own in a folder."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if not mount or subprocess.run(command, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
