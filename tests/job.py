"""Running the real daily job in a test, and what came of it in plain values."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import duckdb

from greenery_assets.settings import working_file

ROOT = Path(__file__).resolve().parents[1]
MARTS = ("core", "marketing", "product")
ALL_SCHEMAS = ("raw", "staging", *MARTS, "snapshots", "quality")


def copy_of_project(folder: Path) -> Path:
    """The code as a clean clone has it: nothing generated."""
    for part in ("greenery_assets", "dbt_project"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("target", "logs", "__pycache__"))
    (folder / "dagster_home").mkdir()
    for file in ("workspace.yaml", "dagster_home/dagster.yaml"):
        shutil.copy(ROOT / file, folder / file)
    return folder


@dataclass(frozen=True)
class Check:
    """One evaluated check."""

    asset: str
    passed: bool
    severity: str
    assumption: str
    failing_rows: int


@dataclass(frozen=True)
class Outcome:
    """What a run did: `built` assets, evaluated `checks` by name, the names `planned`, and why steps failed."""

    success: bool
    built: tuple[str, ...]
    checks: Mapping[str, Check]
    planned: tuple[str, ...]
    faults: tuple[str, ...] = ()

    @property
    def failing(self) -> dict[str, int]:
        """Failing rows of each check that failed."""
        return {name: check.failing_rows for name, check in self.checks.items() if not check.passed}

    @property
    def failing_errors(self) -> dict[str, Check]:
        """The failed checks that stop what lies downstream."""
        return {n: c for n, c in self.checks.items() if not c.passed and c.severity == "ERROR"}

    def dump(self, path: Path) -> None:
        """Write it for another process."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def parse(cls, path: Path) -> "Outcome":
        """Read what `dump` wrote."""
        fields = json.loads(path.read_text())
        checks = {name: Check(**check) for name, check in fields.pop("checks").items()}
        return cls(**fields, checks=checks)


@dataclass(frozen=True)
class Home:
    """A place to run in: a Dagster home and a warehouse of its own."""

    dagster_home: Path
    published: Path
    patience_s: ClassVar[int] = 300

    @property
    def warehouse(self) -> Path:
        """The file in which runs work."""
        return working_file(self.published)

    @property
    def report(self) -> Path:
        """Where its pages are written."""
        return self.dagster_home.parent / "report"

    @classmethod
    def new(cls, folder: Path) -> "Home":
        """An empty one, with the project's dagster.yaml."""
        home = cls(folder / "dagster_home", folder / "greenery.duckdb")
        home.dagster_home.mkdir(parents=True)
        shutil.copy(ROOT / "dagster_home" / "dagster.yaml", home.dagster_home)
        return home

    def copy(self, folder: Path) -> "Home":
        """The same history and tables in another place, with the code of the charts, which takes long to unpack."""
        home = Home(folder / "dagster_home", folder / "greenery.duckdb")
        shutil.copytree(self.dagster_home, home.dagster_home)
        shutil.copy(self.warehouse, home.warehouse)
        shutil.copy(self.published, home.published)
        home.report.mkdir()
        for library in self.report.glob(".charts-*"):
            shutil.copy(library, home.report)
        return home

    def environment(self, source: Path) -> dict[str, str]:
        """The settings of a run here."""
        return {
            "DAGSTER_HOME": str(self.dagster_home),
            "GREENERY_WAREHOUSE_PATH": str(self.published),
            "GREENERY_SOURCE_DIR": str(source),
            "GREENERY_REPORT_DIR": str(self.report),
        }

    def command(
        self,
        source: Path | None,
        *arguments: str,
        project: Path = ROOT,
        module: str = "greenery_assets",
        **settings: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -m greenery_assets ...` as make does, or another module's command.

        Without a source the setting of one is not there.
        """
        environment = {
            **os.environ,
            **self.environment(source or Path()),
            "PYTHONPATH": str(project),
            "COLUMNS": "160",
            **settings,
        }
        if source is None:
            del environment["GREENERY_SOURCE_DIR"]
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.patience_s,
        )

    def last_outcome(self) -> Outcome:
        """What the newest run here did that built anything but the page of the state of the data."""
        with dg.DagsterInstance.from_config(str(self.dagster_home)) as instance:
            run = next(run for run in instance.get_runs(limit=2) if run.job_name != "report_job")
            return outcome_of(instance, run.run_id)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the warehouse."""
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def fingerprints(self, schemas: tuple[str, ...] = MARTS) -> dict[str, tuple[int, int]]:
        """Row count and an order-free hash of the content of each table, by schema/name."""
        return fingerprints(self.warehouse, schemas)


def fingerprints(warehouse: Path, schemas: tuple[str, ...] = MARTS) -> dict[str, tuple[int, int]]:
    """As Home.fingerprints, of any file."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = connection.execute(
            # How long runs took is no content.
            "select table_schema, table_name from information_schema.tables where list_contains(?, table_schema) "
            "and table_name <> 'durations'",
            [list(schemas)],
        ).fetchall()
        return {f"{schema}/{table}": _fingerprint(connection, schema, table) for schema, table in names}


def _fingerprint(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> tuple[int, int]:
    # When a run saw a stock-out is of that run.
    content = f"select columns(lambda name: name not like 'out_of_stock_%') from {schema}.{table}"
    row = connection.execute(f"select count(*), coalesce(sum(hash(t)::hugeint), 0) from ({content}) as t").fetchone()
    assert row is not None
    return row


def outcome_of(instance: dg.DagsterInstance, run_id: str) -> Outcome:
    """Collect what a run did from its events."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    built: list[str] = []
    planned: list[str] = []
    checks: dict[str, Check] = {}
    faults: list[str] = []
    for entry in instance.all_logs(run_id):
        event = entry.dagster_event
        if event is None:
            continue
        if event.event_type == dg.DagsterEventType.ASSET_MATERIALIZATION:
            built.append(event.step_materialization_data.materialization.asset_key.to_user_string())
        elif event.event_type == dg.DagsterEventType.STEP_FAILURE:
            said = event.step_failure_data.user_failure_data
            faults.append(str(said.description if said else event.step_failure_data.error))
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
            planned.append(event.asset_check_planned_data.check_name)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            found = event.asset_check_evaluation_data
            checks[found.check_name] = Check(
                asset=found.asset_key.to_user_string(),
                passed=found.passed,
                severity=found.severity.value,
                assumption=str(found.metadata["assumption"].value),
                failing_rows=int(str(found.metadata["failing_rows"].value)),
            )
    is_success = run.status == dg.DagsterRunStatus.SUCCESS
    return Outcome(is_success, tuple(sorted(built)), checks, tuple(sorted(planned)), tuple(faults))
