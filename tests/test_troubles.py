"""Faults of our own surroundings have words of their own, by type and code, and quote nothing."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from greenery_assets.troubles import LEAST_FREE_BYTES, explain, fault_of

SECRET = "Zqxanna"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "is full: make room"),
        (errno.EDQUOT, "is full: make room"),
        (errno.EACCES, "may not read or write"),
        (errno.EPERM, "may not read or write"),
        (errno.EROFS, "is read-only"),
        (errno.ENOMEM, "Memory ran out"),
        (errno.EMFILE, "Too many files are open"),
        (errno.EIO, "reports faults"),
        (errno.ENOENT, "is not there"),
        (errno.ENOTEMPTY, "(Directory not empty)"),
    ],
)
def test_what_the_system_refuses_is_told_by_its_code(code: int, words: str, tmp_path: Path) -> None:
    said = explain(OSError(code, SECRET, str(tmp_path / "greenery.duckdb.wal")), tmp_path / "greenery.duckdb")
    assert said
    assert words in said
    assert SECRET not in said


def test_memory_that_the_limit_refuses_is_to_be_raised_not_lowered() -> None:
    config: dict[str, Any] = {"memory_limit": "2MB", "temp_directory": ""}
    with duckdb.connect(config=config) as connection, pytest.raises(duckdb.OutOfMemoryException) as caught:
        connection.execute("create table t as select range as n, repeat('x', 100) as t from range(1000000)")
    assert "raise it" in str(explain(caught.value))
    assert "lower" in str(explain(MemoryError()))


def test_a_file_of_ours_is_named(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "no", f"{tmp_path}/greenery.duckdb.wal")
    assert explain(error, tmp_path / "greenery.duckdb") == (
        f"The disk that holds {tmp_path}/greenery.duckdb.wal is full: make room there, and run again."
    )


def test_only_files_of_ours_are_named(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "no", f"/srv/{SECRET}.csv")
    assert explain(error, tmp_path / "greenery.duckdb") == (
        "The user that runs this may not read or write a file that the run needs: grant access to it, and run again."
    )


@pytest.mark.parametrize("linked_by", ["cause", "context"])
def test_the_cause_is_found_behind_other_errors(linked_by: str) -> None:
    full, outer = OSError(errno.ENOSPC, SECRET), ValueError(SECRET)
    if linked_by == "cause":
        outer.__cause__ = full
    else:
        outer.__context__ = full
    assert outer.__suppress_context__ == (linked_by == "cause")
    full.__context__ = outer  # round in a circle
    assert "is full" in str(explain(outer))


@pytest.mark.parametrize("error", [ValueError(SECRET), KeyError("No space left on device"), RuntimeError("lock")])
def test_nothing_is_read_out_of_an_errors_text(error: Exception) -> None:
    assert explain(error) is None


@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "Memory ran out"), (subprocess.CalledProcessError(-9, SECRET), "killed (SIGKILL)")],
)
def test_memory_and_death_are_told_by_their_type(error: Exception, words: str) -> None:
    assert words in str(explain(error))


def test_a_killed_process_is_told_from_one_that_failed() -> None:
    command = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"]
    with pytest.raises(subprocess.CalledProcessError) as killed:
        subprocess.run(command, check=True)
    assert signal.SIGTERM.name in str(explain(killed.value))
    assert explain(subprocess.CalledProcessError(1, command)) is None


class TestSqlite:
    """Errors of a real SQLite, as Dagster's own databases raise them."""

    def test_full(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "runs.db") as connection:
            connection.execute("pragma max_page_count = 2")
            with pytest.raises(sqlite3.Error) as raised:
                connection.execute("create table t as select zeroblob(100000)")
        connection.close()
        assert "is full" in str(explain(raised.value))

    def test_damaged(self, tmp_path: Path) -> None:
        file = tmp_path / "runs.db"
        file.write_bytes(b"no database " * 1000)
        connection = sqlite3.connect(file)
        with pytest.raises(sqlite3.Error) as raised:
            connection.execute("select * from sqlite_master")
        connection.close()
        assert explain(raised.value, file) == (
            f"{file} is damaged: put the copy of a backup in its place, or move it away to have a new one made."
        )

    def test_locked(self, tmp_path: Path) -> None:
        file = tmp_path / "runs.db"
        holder, other = sqlite3.connect(file), sqlite3.connect(file, timeout=0)
        holder.execute("create table t (x)")
        holder.execute("begin exclusive")
        with pytest.raises(sqlite3.Error) as raised:
            other.execute("insert into t values (1)")
        holder.close()
        other.close()
        assert "is in use by another program" in str(explain(raised.value, file))

    def test_read_only(self, tmp_path: Path) -> None:
        file = tmp_path / "runs.db"
        sqlite3.connect(file).close()
        file.touch()
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        with pytest.raises(sqlite3.Error) as raised:
            connection.execute("create table t (x)")
        connection.close()
        assert "may not read or write" in str(explain(raised.value, file))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(sqlite3.Error) as raised:
            sqlite3.connect(tmp_path)
        assert "cannot be opened as a database" in str(explain(raised.value, tmp_path))

    def test_wrong_sql_is_no_fault_of_the_surroundings(self) -> None:
        connection = sqlite3.connect(":memory:")
        with pytest.raises(sqlite3.Error) as raised:
            connection.execute(f"select {SECRET}")
        connection.close()
        assert explain(raised.value) is None


class TestDuckDb:
    """Errors of a real DuckDB, which has types and no codes."""

    def test_memory(self) -> None:
        with duckdb.connect(config={"memory_limit": "2MB"}) as connection, pytest.raises(duckdb.Error) as raised:
            connection.execute("set temp_directory = ''; select list(x) from range(10000000) as t(x)").fetchall()
        assert "DuckDB ran out of the memory" in str(explain(raised.value))

    def test_disk_full(self, small_disk: Path) -> None:
        warehouse = small_disk / "greenery.duckdb"
        with duckdb.connect(str(warehouse)) as connection, pytest.raises(duckdb.Error) as raised:
            connection.execute("create table t as select gen_random_uuid() from range(1000000)")
        assert explain(raised.value, warehouse) == (
            f"The disk that holds {warehouse} has only 0 MB left: make room there, and run again."
        )

    def test_a_sound_place_is_no_cause(self, tmp_path: Path) -> None:
        assert shutil.disk_usage(tmp_path).free > LEAST_FREE_BYTES
        assert fault_of(tmp_path / "greenery.duckdb") is None
        assert explain(duckdb.IOException("No space left on device"), tmp_path / "greenery.duckdb") is None

    def test_wrong_sql_is_no_fault_of_the_surroundings(self, small_disk: Path) -> None:
        with pytest.raises(duckdb.Error) as raised, duckdb.connect() as connection:
            connection.execute(f"select cast('{SECRET}' as int)")
        assert explain(raised.value, small_disk) is None


def test_a_folder_that_is_gone_or_read_only_is_told(tmp_path: Path, small_disk: Path) -> None:
    assert fault_of(tmp_path / "gone" / "greenery.duckdb") == (
        f"{tmp_path}/gone is not there: put it back, or set another place."
    )
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert "is read-only" in str(fault_of(small_disk / "greenery.duckdb"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "may not read or write" in str(fault_of(tmp_path / "greenery.duckdb"))
    tmp_path.chmod(0o700)
