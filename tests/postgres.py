"""A PostgreSQL server of a test session's own, where this machine has the programs for one."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine

from tests.ports import free_port

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/bin"))


def is_here() -> bool:
    """Whether a server can be started."""
    return (PROGRAMS / "initdb").exists()


@contextmanager
def server() -> Iterator[str]:
    """A new server on a free port of this machine; gives a database URL, and removes it all."""
    # Not below pytest's folder, which only the user who runs the tests may enter.
    folder = Path(tempfile.mkdtemp(prefix="greenery_pg_"))
    port = free_port()
    # The server refuses to be run by root.
    as_whom = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        as_whom = ["runuser", "-u", "postgres", "--"]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

    def call(program: str, *arguments: str) -> None:
        command = [*as_whom, str(PROGRAMS / program), "-D", str(folder / "data"), *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    try:
        call("initdb", "-U", "greenery", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        call("pg_ctl", "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql+psycopg2://greenery@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(url: str, name: str) -> str:
    """The address of one more database of a server."""
    execute(url, f"create database {name}")
    return url.replace("/postgres", f"/{name}")


def execute(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, each for itself; the rows of the last."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        results = [connection.exec_driver_sql(statement) for statement in statements]
        rows = [tuple(row) for row in results[-1]] if results[-1].returns_rows else []
    engine.dispose()
    return rows
