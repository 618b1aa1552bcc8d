"""The warehouse: replaced wholly or not at all, and told apart from files that are none."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from greenery_assets.settings import schemas
from greenery_assets.warehouse import (
    WarehouseBusyError,
    WarehouseCorruptError,
    WarehouseError,
    WarehouseMissingError,
    open_for_reading,
)
from tests.landing.support import Landing

PROJECT = Path(__file__).parents[2]


@contextmanager
def open_elsewhere(warehouse: Path) -> Iterator[int]:
    """The number of another process that has the warehouse open for writing."""
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        yield other.pid
        other.communicate()


@pytest.mark.parametrize("name", ["greenery.v2.duckdb", "it's.duckdb", 'a"b.db'])
def test_the_warehouse_may_have_any_name(landing: Landing, name: str) -> None:
    landing.warehouse = landing.warehouse.with_name(name)
    landing.write("notes.csv", "note,n\na,1\nb,x\n")
    for _ in range(2):
        assert landing.load("notes")["notes"].rows == 1
    pq.write_table(pa.table({"note": ["p"], "n": [1]}), landing.write("notes.parquet", ""))
    (landing.sources / "notes.csv").unlink()
    assert landing.load("notes")["notes"].read_in_place


def test_a_busy_warehouse_is_told_in_plain_words(landing: Landing) -> None:
    landing.write("notes.csv", "note,n\na,1\n")
    landing.load("notes")
    with open_elsewhere(landing.warehouse), pytest.raises(WarehouseBusyError) as caught:
        landing.load("notes")
    assert "is open in another program; close it there, or wait" in str(caught.value)
    assert str(landing.warehouse) in str(caught.value)


@pytest.mark.parametrize(
    "name", ["raw.duckdb", "Landing.duckdb", "temp.duckdb", "core.v2.db", "a#b.duckdb", "a\nb.duckdb"]
)
def test_a_name_that_sql_or_dbt_takes_otherwise_is_refused(landing: Landing, name: str) -> None:
    landing.write("notes.csv", "note,n\na,1\n")
    landing.warehouse = landing.warehouse.with_name(name)
    with pytest.raises(WarehouseError, match="GREENERY_WAREHOUSE_PATH") as caught:
        landing.load("notes")
    assert "\n" not in str(caught.value)
    assert not landing.warehouse.exists()


def test_every_schema_of_the_project_is_a_reserved_name() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project/dbt_project.yml").read_text())

    def named(part: Any) -> Iterator[str]:
        for key, value in part.items() if isinstance(part, dict) else ():
            yield from [value] if key == "+schema" else named(value)

    assert {"raw", "landing", *named(project)} <= schemas()


def _changed(at: int, content: bytes) -> Callable[[Path], object]:
    def change(path: Path) -> None:
        whole = path.read_bytes()
        path.write_bytes(whole[:at] + content + whole[at + len(content) :])

    return change


def _wal_of_another(path: Path) -> None:
    dies = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('create table t as select 1'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", dies, str(path.with_name("other"))], check=True)
    path.with_name("other.wal").rename(path.with_name(f"{path.name}.wal"))


def _newer(path: Path) -> None:
    # As no such DuckDB is there to write it: what is looked at are these bytes.
    _changed(12, (2**40).to_bytes(8, "little") + bytes(32) + b"v9.9.9".ljust(32, b"\0"))(path)


@pytest.mark.parametrize("folder", ["made", "block in a clock"])
@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        pytest.param(_changed(0, b"\0" * 8), WarehouseCorruptError, "is damaged", id="checksum"),
        pytest.param(_changed(4096, b"\7" * 8192), WarehouseCorruptError, "from the published file", id="headers"),
        pytest.param(lambda path: os.truncate(path, 5000), WarehouseCorruptError, "a backup", id="truncated"),
        pytest.param(_wal_of_another, WarehouseCorruptError, ".duckdb.wal", id="another's WAL"),
        pytest.param(_newer, WarehouseError, r"a newer DuckDB \(v9.9.9; this is", id="newer"),
        pytest.param(_changed(8, b"CSV,"), WarehouseError, "is not a DuckDB file", id="another format"),
    ],
)
def test_a_warehouse_that_cannot_be_read_says_why(
    landing: Landing, folder: str, spoil: Callable[[Path], object], error: type[Exception], words: str
) -> None:
    landing.warehouse = landing.warehouse.parent.with_name(folder) / "warehouse.duckdb"
    landing.write("notes.csv", "note,n\na,1\n")
    landing.load("notes")
    spoil(landing.warehouse)
    for use in (lambda: landing.load("notes"), lambda: open_for_reading(landing.warehouse)):
        with pytest.raises(WarehouseError, match=words) as caught:
            use()
        assert type(caught.value) is error
        assert str(landing.warehouse) in str(caught.value)


def test_a_warehouse_that_was_open_elsewhere_for_a_moment_is_not_called_damaged(
    landing: Landing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other program had it when it was opened, and had closed it when it was looked for."""
    landing.write("notes.csv", "note,n\na,1\n")
    landing.load("notes")
    connect, answers = duckdb.connect, [duckdb.IOException("locked"), None]

    def connect_later(*arguments: Any, **options: Any) -> duckdb.DuckDBPyConnection:
        if error := answers.pop(0):
            raise error
        return connect(*arguments, **options)

    monkeypatch.setattr(duckdb, "connect", connect_later)
    with open_for_reading(landing.warehouse) as connection:
        assert connection.execute("from raw.notes").fetchall() == [("a", 1)]
    assert not answers


def test_readers_are_told_who_has_the_warehouse_or_that_there_is_none(landing: Landing) -> None:
    with pytest.raises(WarehouseMissingError, match="make run"):
        open_for_reading(landing.warehouse)
    landing.write("notes.csv", "note,n\na,1\n")
    landing.load("notes")
    with open_elsewhere(landing.warehouse) as pid, pytest.raises(WarehouseBusyError) as caught:
        open_for_reading(landing.warehouse)
    if Path("/proc/locks").exists():
        assert f"PID {pid}." in str(caught.value)


def test_a_disk_without_room_is_one_sentence_and_the_last_load_stays(landing: Landing) -> None:
    landing.write("notes.csv", "note,n\na,1\n")
    landing.load("notes")
    landing.write("notes.csv", "note,n\n" + f"{'x' * 500},1\n" * 40_000)
    limited = (
        "import resource, signal, sys; from pathlib import Path; from tests.landing.support import *;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000,) * 2)\n"
        "from greenery_assets.warehouse import WarehouseError\n"
        "try: load(Path(sys.argv[1]), Path(sys.argv[2]), {'notes': NOTES})\n"
        "except WarehouseError as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", limited, str(landing.warehouse), str(landing.sources)],
        check=True, capture_output=True, text=True, cwd=PROJECT,
    ).stdout  # fmt: skip
    assert str(landing.warehouse) in said
    assert "the tables loaded last are as they were" in said
    assert landing.query("from raw.notes") == [("a", 1)]


def test_a_file_that_is_no_warehouse_is_refused(landing: Landing) -> None:
    landing.write("notes.csv", "note,n\na,1\n")
    landing.warehouse = landing.sources / "notes.csv"
    with pytest.raises(WarehouseError, match="is not a DuckDB file"):
        landing.load("notes")
    landing.warehouse = landing.sources / "notes.csv" / "below.duckdb"
    with pytest.raises(WarehouseError, match="cannot be opened"):
        landing.load("notes")
