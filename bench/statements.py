"""SQL statements in a process of their own, and what each cost; `python -m bench.statements` reads a job from stdin.

Belongs here: running and measuring. Which statements, and what of, is the business of whoever measures.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

THREADS = 2


@dataclass(frozen=True)
class Cost:
    """What all statements and the closing of the file took, and the cpu seconds of each statement by its name."""

    wall: float
    cpu: float
    peak_gb: float
    each: Mapping[str, float]


def cost_of(statements: Mapping[str, str], warehouse: Path, inputs: Path, tables: list[str], memory_limit: str) -> Cost:
    """Run statements, in order, in a new warehouse file that sees `tables` (schema.name) of the warehouse `inputs`.

    Raises RuntimeError where one fails, as it does when memory is short: the folder, its name, and DuckDB's words.
    """
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    warehouse.unlink(missing_ok=True)
    job = {
        "statements": dict(statements),
        "warehouse": str(warehouse),
        "inputs": str(inputs),
        "tables": tables,
        "memory_limit": memory_limit,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.statements"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[1],
        env=os.environ,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{warehouse.parent.name}: {done.stderr.strip().splitlines()[-1]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _run(job: Mapping[str, Any]) -> Cost:
    began, before, each = time.perf_counter(), _cpu(), {}
    config = {"memory_limit": job["memory_limit"], "threads": THREADS}
    with duckdb.connect(job["warehouse"], config=config) as connection:
        # Drawn on stdout, which is for the result.
        connection.execute("set enable_progress_bar = false")
        connection.execute(f"attach '{job['inputs']}' as inputs (read_only)")
        for schema in sorted({name.split(".")[0] for name in (*job["tables"], *job["statements"])}):
            connection.execute(f"create schema {schema}")
        for table in job["tables"]:
            connection.execute(f"create view {table} as from inputs.{table}")
        for name, statement in job["statements"].items():
            start = _cpu()
            try:
                connection.execute(statement)
            except duckdb.Error as error:
                sys.exit(f"{name}: {str(error).splitlines()[0]}")
            each[name] = _cpu() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return Cost(time.perf_counter() - began, _cpu() - before, peak, each)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    print(json.dumps(vars(_run(json.load(sys.stdin)))))
