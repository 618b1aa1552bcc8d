"""The file that people open: what is in it, and that neither readers nor accidents get in the way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from greenery_assets.settings import working_file
from greenery_assets.warehouse import Description, Found, WarehouseError, begin_again, publish

GOOD, AT = Found(None, 2, (), ("late",)), datetime(2026, 11, 27, 6)
HELD = Found("failed: is_unique", 3, ("is_unique",), ())
SNAPSHOTS = ("snapshots.orders_snapshot", "snapshots.notes_snapshot")
NAMES = ("raw.notes", "staging.stg_notes", "core.dim_notes", "core.fact_notes", *SNAPSHOTS)
DESCRIBED = {name: Description(f"What {name} is, it's said.", {"n": "A number."}) for name in NAMES}
CLIENTS = ("1.2.2", "1.4.4")


def write(published: Path, n: int, kind: str = "folder") -> Path:
    """A working file whose every table has the one row n."""
    working = working_file(published)
    working.unlink(missing_ok=True)
    with duckdb.connect(working) as connection:
        for schema in ("landing", "raw", "staging", "core", "snapshots", "quality"):
            connection.execute(f"create schema {schema}")
        connection.execute(f"create table landing.source as select '{kind}' as kind, '/shop' as folder, 1 as load_id")
        connection.execute(f"create table quality.durations as select {n} as seconds")
        connection.execute(f"create table landing.notes_rows as select {n} as n, 'a.csv' as file")
        connection.execute("create view raw.notes as select n from landing.notes_rows")
        connection.execute(
            'create view staging.stg_notes as (select n from "x"."raw"."notes")'.replace("x", catalog(published))
        )
        for name in ("core.dim_notes", "core.fact_notes", *SNAPSHOTS, "quality.is_unique", "core.odd"):
            connection.execute(f"create table {name} as select {n} as n")
    return working


def catalog(path: Path) -> str:
    return path.name.partition(".")[0]


def put(published: Path, found: Mapping[str, Found], n: int, day: int = 0) -> None:
    publish(write(published, n), published, found, DESCRIBED, run_id=f"run {day}", at=AT + timedelta(days=day))


def ask(published: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(published, read_only=True) as connection:
        return connection.execute(query).fetchall()


def content(published: Path) -> dict[str, int]:
    """The one row of each table and view."""
    names = ask(
        published,
        "select concat(table_schema, '.', table_name) from information_schema.tables where table_schema <> 'quality'",
    )
    return {name: ask(published, f"select n from {name}")[0][0] for (name,) in names}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Where a file is published, in which every table has the row 1."""
    path = tmp_path / "shop.duckdb"
    put(path, dict.fromkeys(NAMES, GOOD), 1)
    return path


def test_what_passed_is_published_without_what_is_internal(published: Path) -> None:
    assert content(published) == dict.fromkeys(NAMES, 1)
    schemas = {name for (name,) in ask(published, "select distinct schema_name from duckdb_tables()")}
    assert schemas == {"raw", "core", "snapshots", "quality"}
    assert ask(published, "select table_name from duckdb_tables() where schema_name = 'quality' order by 1") == [
        ("durations",),
        ("source",),
        ("tables",),
    ]
    assert ask(published, "from quality.durations") == [(1,)]
    assert ask(published, "from quality.source") == [("folder", "/shop", AT)]
    rows = ask(published, "from quality.tables order by all")
    assert rows[0] == ("core", "dim_notes", 1, AT, "run 0", None, None, 2, None, "late")
    assert [f"{schema}.{name}" for schema, name, *_ in rows] == sorted(NAMES)
    assert sorted(path.name for path in published.parent.iterdir()) == ["shop.duckdb", "shop.duckdb.working"]


def test_tables_views_and_columns_say_what_they_are(published: Path) -> None:
    said = ask(
        published,
        "select concat(schema_name, '.', table_name), comment from duckdb_tables() where schema_name <> 'quality' "
        "union all select concat(schema_name, '.', view_name), comment from duckdb_views() where not internal",
    )
    assert dict(said) == {name: description.table for name, description in DESCRIBED.items()}
    columns = ask(published, "select comment from duckdb_columns() where not internal and schema_name <> 'quality'")
    assert columns == [("A number.",)] * len(NAMES)


def test_a_table_that_is_held_back_is_as_it_was_and_says_since_when_and_why(published: Path) -> None:
    for day in (1, 2):
        put(published, {**dict.fromkeys(NAMES, GOOD), "core.fact_notes": HELD}, n=day + 1, day=day)
    assert content(published) == {**dict.fromkeys(NAMES, 3), "core.fact_notes": 1}
    [row] = ask(published, "from quality.tables where held_back_since is not null")
    since = AT + timedelta(days=1)
    assert row == ("core", "fact_notes", 1, AT, "run 0", since, "failed: is_unique", 3, "is_unique", None)
    [(comment,)] = ask(published, "select comment from duckdb_tables() where table_name = 'fact_notes'")
    assert comment == DESCRIBED["core.fact_notes"].table
    put(published, dict.fromkeys(NAMES, GOOD), n=4, day=3)
    assert content(published) == dict.fromkeys(NAMES, 4)
    assert ask(published, "select count(*) from quality.tables where held_back_since is not null") == [(0,)]


def test_a_view_and_what_it_shows_are_held_back_together(published: Path) -> None:
    held = dict.fromkeys(("raw.notes", "staging.stg_notes"), HELD)
    put(published, {**dict.fromkeys(NAMES, GOOD), **held}, n=2)
    assert content(published) == {**dict.fromkeys(NAMES, 2), "raw.notes": 1, "staging.stg_notes": 1}


def test_a_run_of_some_tables_leaves_the_others_as_they_were(published: Path) -> None:
    put(published, {"core.dim_notes": GOOD}, n=2, day=1)
    assert content(published) == {**dict.fromkeys(NAMES, 1), "core.dim_notes": 2}
    found = dict(ask(published, "select table_name, run_id from quality.tables"))
    assert (found["dim_notes"], found["fact_notes"]) == ("run 1", "run 0")


def test_a_table_that_never_passed_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    put(path, {**dict.fromkeys(NAMES, GOOD), "core.fact_notes": HELD}, n=1)
    assert content(path) == dict.fromkeys(set(NAMES) - {"core.fact_notes"}, 1)


def test_nothing_of_sample_data_is_kept_for_a_shop(published: Path) -> None:
    sample = published.with_name("sample.duckdb")
    publish(write(sample, 1, kind="sample data"), sample, dict.fromkeys(NAMES, GOOD), DESCRIBED, run_id="0", at=AT)
    put(sample, {**dict.fromkeys(NAMES, GOOD), "core.fact_notes": HELD}, n=2)
    assert content(sample) == dict.fromkeys(set(NAMES) - {"core.fact_notes"}, 2)


@pytest.fixture
def reader(published: Path, request: pytest.FixtureRequest) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the file open, and answers each line with the row of a table."""
    code = (
        "import duckdb, sys\n"
        "c = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == 'reading')\n"
        "if sys.argv[2] != 'reading': c.execute('create table mine as select 1')\n"
        "print('open', flush=True)\n"
        "for _ in sys.stdin: print(c.execute('select n from core.fact_notes').fetchone()[0], flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(published), request.param],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline() == "open\n"
    yield process
    process.communicate(timeout=20)


@pytest.mark.parametrize("reader", ["reading", "writing"], indirect=True)
def test_who_has_it_open_holds_up_nobody_and_goes_on_with_the_old_one(
    published: Path, reader: "subprocess.Popen[str]"
) -> None:
    working_file(published).unlink()
    begin_again(working_file(published), published)
    assert ask(working_file(published), "select n from snapshots.orders_snapshot") == [(1,)]
    put(published, {**dict.fromkeys(NAMES, GOOD), "core.dim_notes": HELD}, n=2)
    assert content(published) == {**dict.fromkeys(NAMES, 2), "core.dim_notes": 1}
    assert reader.stdin
    assert reader.stdout
    reader.stdin.write("\n")
    reader.stdin.flush()
    assert reader.stdout.readline() == "1\n"
    reader.communicate(timeout=20)
    assert content(published) == {**dict.fromkeys(NAMES, 2), "core.dim_notes": 1}


def test_a_full_disk_leaves_the_last_one(small_disk: Path) -> None:
    published = small_disk / "shop.duckdb"
    elsewhere = small_disk.parent / "shop.duckdb"
    publish(write(elsewhere, 1), elsewhere, {"core.dim_notes": GOOD}, DESCRIBED, run_id="0", at=AT)
    shutil.copy(elsewhere, published)
    (small_disk / "filled").write_bytes(b"0" * (shutil.disk_usage(small_disk).free - 100_000))
    with pytest.raises(WarehouseError, match=r"disk of the warehouse .* is full"):
        publish(write(elsewhere, 2), published, dict.fromkeys(NAMES, GOOD), DESCRIBED, run_id="1", at=AT)
    assert content(published) == {"core.dim_notes": 1}
    (small_disk / "filled").unlink()
    assert sorted(path.name for path in small_disk.iterdir()) == ["shop.duckdb"]


@pytest.mark.slow
def test_a_publisher_that_is_killed_leaves_the_old_one_or_the_new_one(published: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.warehouse.test_publish import *\n"
        "path, n = Path(sys.argv[1]), int(sys.argv[2]); working = write(path, n)\n"
        "print('ready', flush=True)\n"
        "publish(working, path, dict.fromkeys(NAMES, GOOD), DESCRIBED, run_id='', at=AT)\n"
    )
    before, seen = 1, set()
    for n in range(2, 12):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(published), str(n)], stdout=subprocess.PIPE, env={**os.environ}
        )
        with process:
            assert process.stdout
            assert process.stdout.readline() == b"ready\n"
            time.sleep((n - 2) * 0.02)
            process.send_signal(signal.SIGKILL)
        [value] = set(content(published).values())
        assert value in (before, n)
        seen.add(value == n)
        before = value
    assert False in seen, "no kill came before the renaming"
    put(published, dict.fromkeys(NAMES, GOOD), n=99)
    assert content(published) == dict.fromkeys(NAMES, 99)
    assert sorted(path.name for path in published.parent.iterdir()) == ["shop.duckdb", "shop.duckdb.working"]


def test_a_lost_working_file_begins_with_all_history_and_durations(published: Path) -> None:
    working = working_file(published)
    working.unlink()
    begin_again(working, published)
    assert ask(working, "select kind, folder from landing.source") == [("folder", "/shop")]
    for name in SNAPSHOTS:
        assert ask(working, f"select n from {name}") == [(1,)]
    assert ask(working, "from quality.durations") == [(1,)]
    begin_again(working, published)
    assert ask(working, "select count(*) from duckdb_tables()") == [(2 + len(SNAPSHOTS),)]


def test_the_file_of_a_release_that_published_none_becomes_the_working_file(tmp_path: Path) -> None:
    published = tmp_path / "shop.duckdb"
    write(published, 7).rename(published)
    dies = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute('update core.odd set n = 8'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", dies, str(published)], check=True)
    assert published.with_name("shop.duckdb.wal").exists()
    begin_again(working_file(published), published)
    assert ask(working_file(published), "select n, (select n from core.dim_notes) from core.odd") == [(8, 7)]
    publish(working_file(published), published, {"core.dim_notes": GOOD}, DESCRIBED, run_id="1", at=AT)
    # What this run did not build has passed the checks of that release.
    assert content(published) == dict.fromkeys(NAMES, 7)


def test_nothing_is_begun_where_nothing_was_published(tmp_path: Path) -> None:
    begin_again(tmp_path / "shop.duckdb.working", tmp_path / "shop.duckdb")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slowest
@pytest.mark.parametrize("version", CLIENTS)
def test_older_clients_open_it_and_read_comments(published: Path, tmp_path: Path, version: str) -> None:
    """In environments of their own, as DBeaver, Metabase and notebooks bundle them."""
    place = tmp_path / "client"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
    if subprocess.run([*pip, f"duckdb=={version}"], check=False, capture_output=True).returncode:
        pytest.skip(f"the package index has no DuckDB {version} for this Python")
    code = (
        "import duckdb, sys\n"
        "c = duckdb.connect(sys.argv[1], read_only=True)\n"
        "print(duckdb.__version__, *c.execute('select n from staging.stg_notes').fetchone())\n"
        "print(*c.execute(\"select comment from duckdb_tables() where table_name = 'dim_notes'\").fetchone())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(published)],
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{version} 1", DESCRIBED["core.dim_notes"].table]
