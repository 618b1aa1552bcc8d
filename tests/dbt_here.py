"""A bench warehouse that dbt builds in this process, which spares most of its start."""

import os
from typing import Any, ClassVar
from unittest.mock import patch

from bench.warehouse import Bench, Built
from greenery_assets.dbt.project import DBT_PROJECT_DIR


class BenchHere(Bench):
    """A Bench for tests, one build at a time."""

    engine = "duckdb"  # the target of dbt
    # The project as dbt parsed it, by target and by database, whose name each relation carries.
    parsed: ClassVar[dict[tuple[str, str], Any]] = {}

    def build(self, command: str = "build", *arguments: str) -> Built:
        """Run dbt; cpu and memory are not measured."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager  # noqa: PLC0415  seconds
        from dbt.cli.main import dbtRunner  # noqa: PLC0415

        project = ["--profiles-dir", str(DBT_PROJECT_DIR), "--project-dir", str(DBT_PROJECT_DIR), "--quiet"]
        project += ["--target", self.engine]
        project += ["--target-path", str(self.target), "--log-path", str(self.target)]
        of = (self.engine, self.environment.get("GREENERY_POSTGRES_DATABASE", ""))
        with patch.dict(os.environ, self.environment):
            if of not in self.parsed:
                self.parsed[of] = dbtRunner().invoke(["parse", *project]).result
            without = ["--exclude-resource-type", "unit_test"] if command == "build" else []
            done = dbtRunner(manifest=self.parsed[of]).invoke([command, *project, *without, *arguments])
            DuckDBConnectionManager.close_all_connections()
        results = getattr(done.result, "results", [])
        broken = [result.message for result in results if result.status == "error"]
        assert results, done.exception
        assert not broken
        return Built(
            wall=0,
            cpu=0,
            peak_gb=0,
            seconds={result.node.unique_id: result.execution_time for result in results},
            failed=tuple(result.node.unique_id for result in results if result.status == "fail"),
            skipped=tuple(result.node.unique_id for result in results if result.status == "skipped"),
        )
