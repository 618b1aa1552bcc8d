"""The whole platform on Spark: the daily job, what it says of a server that does not serve, and runs that die.

What dbt builds there, and twelve loads, are in test_engines.py.
"""

import gc
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from greenery_assets.landing import LoadRefusedError, SourceError, load
from greenery_assets.report.queries import read_figures
from greenery_assets.settings import SparkAddress
from greenery_assets.warehouse import (
    NOT_BUILT,
    DuckDB,
    Place,
    Source,
    StatementError,
    WarehouseBusyError,
    WarehouseError,
    WarehouseMissingError,
    fault,
    held,
    open_for_reading,
    recorded_source,
    settle_source,
    spark,
    spark_server,
    transaction,
)
from tests.conftest import yesterday
from tests.job import MARTS, ROOT, Home, Outcome
from tests.landing.support import CONTRACTS, HEADER, ID, Landing, TableContract
from tests.spark import server as start_server
from tests.spark_here import SparkHome, address_of, emptied
from tests.test_two_runs import MAKE_RUN, start

pytestmark = [pytest.mark.slow, pytest.mark.slowest]


@pytest.fixture
def address(spark_url: str, tmp_path: Path) -> SparkAddress:
    """An empty warehouse."""
    return emptied(address_of(spark_url, tmp_path / "shared"))


@pytest.fixture
def filled(landing: Landing, address: SparkAddress) -> Landing:
    """A source that was loaded once."""
    landing.write("notes.csv", "note,n\na,1\nb,2\n")
    again(landing, address)
    return landing


def again(landing: Landing, address: SparkAddress, table: str = "notes") -> None:
    load(address, landing.sources, {table: CONTRACTS[table]})


def found(address: SparkAddress, query: str) -> list[tuple[object, ...]]:
    with open_for_reading(address) as connection:
        return connection.execute(query).fetchall()


def said(call: Callable[[], object]) -> str:
    """The one sentence, or two, with which a call is refused."""
    with pytest.raises(WarehouseError) as caught:
        call()
    return str(caught.value)


# Loading


def test_every_type_and_every_odd_text_arrives_as_in_duckdb(landing: Landing, address: SparkAddress) -> None:
    odd = ["\\.", "\\N", '"a ""quoted"", text"', '"two\nlines"', "ünï ☃ 🌱", " blanks ", '"it\'s 100% ?"', "", ID]
    rows = [f"{ID[:-2]}{number:02},{text},2021-02-10T00:00:05.123456Z,-30.50,40" for number, text in enumerate(odd)]
    rows += [f"{ID},old,1500-01-01T00:00:00Z,,", f"{ID},,,,", "broken", f"{ID},x\0y,2021-02-10T00:00:05Z,1,1"]
    landing.write("items.csv", "\n".join([HEADER, *rows, ""]))
    landing.load("items")
    again(landing, address, "items")
    ordered = "select item_id, {}, created_at, price, pieces from raw.items order by 1, 2"
    (text,) = [name for name in HEADER.split(",") if name not in ("item_id", "created_at", "price", "pieces")]
    # In Spark a text that has the form of an id is read as one.
    ours, theirs = (
        [tuple(map(str, row)) for row in rows]
        for rows in (found(address, ordered.format(text)), landing.query(ordered.format(text)))
    )
    assert ours == theirs
    rejects = "select file, line, column_name, reason from quality.rejected_rows order by 2"
    assert found(address, rejects) == landing.query(rejects)
    assert len(found(address, rejects)) == 2
    with closing(spark.connect(address)) as server:
        kinds = {name: kind for name, kind, *_ in server.rows("describe table raw.items").rows}
    assert (kinds["item_id"], kinds["created_at"], kinds["pieces"]) == ("string", "timestamp", "bigint")
    assert kinds["price"].startswith("decimal")
    # A parameter is text of a query, whatever it holds.
    with open_for_reading(address) as connection:
        for value in ("x' or '1'='1", "\\", "?", "a\nb", None, 1):
            (back,) = connection.execute("select cast(? as varchar) from raw.items limit 1", [value]).fetchall()[0]
            assert back == (None if value is None else str(value))


def test_files_that_come_change_and_go_replace_their_own_rows_alone(
    landing: Landing, address: SparkAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "2", "3"):
        landing.write(f"notes/{name}.csv", f"note,n\n{name},1\nfaulty,x\n")
    again(landing, address)
    landing.write("notes/2.csv", "note,n\nchanged,1\n")
    (landing.sources / "notes/3.csv").unlink()
    loaded = load(address, landing.sources, {"notes": CONTRACTS["notes"]})["notes"]
    assert (loaded.read_files, loaded.rows, loaded.rejected_rows) == (("notes/2.csv",), 2, 1)
    assert found(address, "select note from raw.notes order by 1") == [("1",), ("changed",)]
    assert found(address, "select file from quality.rejected_rows") == [("notes/1.csv",)]
    # Spark has the notes too, and of the rows nothing stays for long that no file has.
    server = spark.connect(address)
    assert server.rows("select distinct path like '%notes/_.csv' from landing.files").rows == [(True,)]
    assert server.rows("select count(*) from quality.rejected_rows").rows == [(1,)]
    again(landing, address)
    assert len(list(address.folder.glob("rows/notes_rows/*"))) == 2
    # As a load leaves it that is killed between two statements.
    server.run("drop view raw.notes")
    again(landing, address)
    # Another contract.
    monkeypatch.setitem(CONTRACTS, "notes", TableContract("notes", CONTRACTS["notes"].columns[:1]))
    again(landing, address)
    assert found(address, "select * from raw.notes order by 1") == [("1",), ("changed",), ("faulty",)]
    server.close()


def test_a_refused_load_changes_nothing_but_its_rejects(filled: Landing, address: SparkAddress) -> None:
    filled.write("notes.csv", "note,n\nc,x\n")
    with pytest.raises(LoadRefusedError):
        load(address, filled.sources, {"notes": CONTRACTS["notes"]}, refuses=lambda arrival: arrival.rows == 0)
    assert found(address, "select note from raw.notes order by 1") == [("a",), ("b",)]
    assert found(address, "select line, load_was_refused from quality.rejected_rows") == [(2, True)]


def test_a_shop_takes_the_place_of_sample_data_and_never_the_other_way(
    landing: Landing, address: SparkAddress, tmp_path: Path
) -> None:
    sample = Source.of(None, tmp_path / "sample")
    sample.folder.mkdir()
    (sample.folder / "sample.json").write_text("{}")
    (sample.folder / "notes.csv").write_text("note,n\ns,1\n")
    load(address, sample.folder, {"notes": CONTRACTS["notes"]})
    landing.write("notes.csv", "note,n\na,1\n")
    shop = Source.at(landing.sources)
    text = said(lambda: settle_source(address, shop, sample.folder))
    assert "make run ARGS=--new-source" in text
    assert "the tables of the sample are then dropped" in text
    set_aside = settle_source(address, shop, sample.folder, is_new_source=True)
    assert isinstance(set_aside, str)
    load(address, shop.folder, {"notes": CONTRACTS["notes"]}, set_aside=set_aside)
    assert found(address, "select note from raw.notes") == [("a",)]
    assert (address.folder / f"{set_aside}.duckdb").exists()
    with open_for_reading(address) as connection:
        source = recorded_source(connection)
        assert source is not None
        assert not source.is_sample
        with pytest.raises(NOT_BUILT):
            connection.execute("select 1 from core.fact_orders")
        with pytest.raises(StatementError):
            connection.execute("select 1 / 0 from raw.notes")
    text = said(lambda: settle_source(address, sample, sample.folder))
    assert "set it back to go on. If it was meant to change, name another server in GREENERY_SPARK_URL and" in text
    text = said(lambda: settle_source(address, sample, sample.folder, is_new_source=True))
    assert "holds the history of a shop" in text
    assert found(address, "select note from raw.notes") == [("a",)]


# What is wrong with a server or a folder


def test_rows_that_spark_would_not_find_are_never_no_rows(
    filled: Landing, address: SparkAddress, tmp_path: Path
) -> None:
    moved = replace(address, folder=tmp_path / "another place")
    address.folder.rename(moved.folder)
    again(filled, moved)
    assert found(moved, "select note from raw.notes order by 1") == [("a",), ("b",)]
    shutil.rmtree(moved.folder / "rows")
    text = said(lambda: again(filled, moved))
    assert "lacks rows that were loaded" in text
    assert "make run ARGS=--full-refresh" in text
    load(moved, filled.sources, {"notes": CONTRACTS["notes"]}, reread=True)
    assert found(moved, "select note from raw.notes order by 1") == [("a",), ("b",)]


def test_a_folder_of_no_use_is_named(landing: Landing, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    landing.write("notes.csv", "note,n\na,1\n")
    no_folder = address_of("thrift://127.0.0.1:1", plain / "below")
    for call in (lambda: again(landing, no_folder), lambda: transaction(no_folder).__enter__()):
        text = said(call)
        assert f"The folder {plain}/below of the warehouse" in text
        assert "name another one in GREENERY_SPARK_FOLDER" in text
    damaged = address_of("thrift://127.0.0.1:1", tmp_path)
    damaged.notes.write_bytes(b"\0" * 8 + b"DUCK" + b"x" * 40_000)
    for call in (lambda: again(landing, damaged), lambda: open_for_reading(damaged)):
        assert "notes.duckdb of the warehouse in Spark on 127.0.0.1:1 is damaged: put the file of a backup" in said(
            call
        )
    # A file elsewhere is not blamed on the folder.
    with pytest.raises(FileNotFoundError), spark._worded(SparkAddress("h", 1, tmp_path / "shared")):
        (tmp_path / "elsewhere").read_text()


@contextmanager
def going_through(address: SparkAddress) -> Iterator[tuple[SparkAddress, Callable[[], None]]]:
    """The same server at another port, and what breaks all connections there off."""
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def forward(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection((address.host, address.port))
                ends.extend([client, server])
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()

    def break_off() -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield replace(address, port=listener.getsockname()[1]), break_off
    finally:
        break_off()
        listener.shutdown(socket.SHUT_RDWR)
        for end in (listener, *ends):
            end.close()


# The driver leaves the socket of a lost connection open.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.usefixtures("filled")
def test_a_server_that_does_not_serve_is_named_with_what_is_wrong(
    address: SparkAddress, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect = pytest.importorskip("pyhive.hive").connect
    with pytest.raises(WarehouseMissingError, match="has no tables yet; make them with make run"):
        open_for_reading(replace(address, folder=tmp_path / "other"))
    gone = replace(address, port=1)
    assert "No Spark Thrift server answers at 127.0.0.1:1 (" in said(lambda: spark.connect(gone))
    assert fault(gone) == said(lambda: spark.connect(gone))
    assert fault(address) is None
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        other = replace(address, port=listener.getsockname()[1])
        assert "is no Spark Thrift server that lets this program in" in said(lambda: spark.connect(other))
        listener.shutdown(socket.SHUT_RDWR)
    with monkeypatch.context() as patch:
        # As a server that heeds none.
        patch.setattr("pyhive.hive.connect", lambda *given, **named: connect(*given, **{**named, "configuration": {}}))
        text = said(lambda: spark.connect(address))
        assert "does not let a session set spark.sql.session.timeZone=UTC, " in text
    with monkeypatch.context() as patch:
        patch.setattr(spark_server, "OLDEST", (99, 0))
        assert "or newer is needed" in said(lambda: spark.connect(address))
    with going_through(address) as (through, break_off), open_for_reading(through) as connection:
        assert connection.execute("select count(*) from raw.notes").fetchall() == [(2,)]
        break_off()
        assert "stopped, or the connection to it was lost" in said(
            lambda: connection.execute("select count(*) from raw.notes")
        )
    gc.collect()


def test_a_server_with_plain_parquet_alone_is_refused_until_it_has_iceberg(
    landing: Landing, address: SparkAddress
) -> None:
    landing.write("notes.csv", "note,n\na,1\nb,2\n")
    with start_server(has_iceberg=False) as url:
        plain = replace(address, port=address_of(url, address.folder).port)
        for _ in range(2):
            assert said(lambda: again(landing, plain)).endswith(
                "has no Iceberg, in which the tables are kept: start it as docs/engines.md says."
            )
    # What those loads had begun is known for ours.
    again(landing, address)
    assert found(address, "select count(*) from raw.notes") == [(2,)]


def test_tables_of_somebody_else_in_our_schemas_are_left_alone(landing: Landing, address: SparkAddress) -> None:
    server = spark.connect(address)
    server.run("create schema core")
    server.run("create table core.fact_orders (x int) using iceberg")
    landing.write("notes.csv", "note,n\na,1\n")
    text = said(lambda: again(landing, address))
    assert "(core.fact_orders), and GREENERY_SPARK_FOLDER has no notes of them. Nothing was changed" in text
    assert server.tables("raw") == set()
    server.run("drop table core.fact_orders")
    again(landing, address)
    server.close()


def test_one_run_at_a_time(filled: Landing, address: SparkAddress) -> None:
    with held(address):
        text = said(lambda: again(filled, address))
        assert found(address, "select count(*) from raw.notes") == [(2,)]
    assert "Another run is at work in the warehouse in Spark on 127.0.0.1:" in text
    with transaction(address), pytest.raises(WarehouseBusyError), held(address):
        pass
    again(filled, address)


def test_a_statement_ends_with_who_asked_for_it(address: SparkAddress) -> None:
    """It would write into what the next load makes."""
    slow = (
        "insert into raw.late select count(slept) from "
        "(select java_method('java.lang.Thread', 'sleep', 20 * id div id) as slept from range(1, 301, 1, 1))"
    )
    code = (
        "import sys; from pathlib import Path; from tests.spark_here import address_of\n"
        "from greenery_assets.warehouse import spark\n"
        "server = spark.connect(address_of(sys.argv[1], Path()))\n"
        "print('asks', flush=True)\n"
        "server.run(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, f"thrift://{address.host}:{address.port}", slow]
    with closing(spark.connect(address)) as server:
        server.run("create schema if not exists raw")
        server.run("create table raw.late (n bigint) using iceberg")
        started = time.monotonic()
        server.run(slow)
        took = time.monotonic() - started
        assert server.rows("select count(*) from raw.late").rows == [(1,)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as asker:
            assert asker.stdout
            assert asker.stdout.readline() == b"asks\n"
            time.sleep(took / 2)
            asker.kill()
        time.sleep(took * 1.5)
        assert server.rows("select count(*) from raw.late").rows == [(1,)]


@pytest.mark.parametrize("point", ["_publish_notes", "_publish_rows", "publish"])
def test_a_load_that_is_killed_is_made_up_for_by_the_next(filled: Landing, address: SparkAddress, point: str) -> None:
    filled.write("notes.csv", "note,n\nnew,1\n")
    code = (
        "import os, sys; from pathlib import Path; from tests.landing.support import CONTRACTS\n"
        "from greenery_assets.landing import load; from greenery_assets.warehouse import spark\n"
        "from tests.spark_here import address_of\n"
        f"whole = spark.Session.{point}\n"
        "def killed(*given, **named):\n"
        "    whole(*given, **named)\n"
        "    os.kill(os.getpid(), 9)\n"
        f"spark.Session.{point} = killed\n"
        "load(address_of(sys.argv[1], Path(sys.argv[2])), Path(sys.argv[3]), {'notes': CONTRACTS['notes']})"
    )
    url = f"thrift://{address.host}:{address.port}"
    command = [sys.executable, "-c", code, url, str(address.folder), str(filled.sources)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    # One that fails takes nothing away from what is shown meanwhile.
    shown = found(address, "select note from raw.notes order by 1")
    assert shown in ([("a",), ("b",)], [("new",)])
    filled.write("notes.csv", "no,header\n")
    with pytest.raises(SourceError):
        again(filled, address)
    assert found(address, "select note from raw.notes order by 1") == shown
    filled.write("notes.csv", "note,n\nnewer,1\n")
    again(filled, address)
    assert found(address, "select note from raw.notes") == [("newer",)]
    assert len(list(address.folder.glob("rows/notes_rows/*"))) == 2
    assert found(address, "select count(distinct path) from landing.files") == [(1,)]


def test_a_build_that_saw_a_load_which_did_not_end_does_not_count(filled: Landing, address: SparkAddress) -> None:
    for load_id, counting in ((1, 1), (9, 0)):
        with closing(spark.connect(address)) as server:
            server.run("delete from landing.complete_runs")
            server.run(f"insert into landing.complete_runs values ('built', {load_id}, timestamp '2026-01-01', 'x')")
        again(filled, address)
        assert len(found(address, "select * from landing.complete_runs")) == counting


def test_a_folder_and_a_server_that_do_not_belong_together_are_refused(
    filled: Landing, address: SparkAddress, tmp_path: Path
) -> None:
    shutil.copytree(address.folder, tmp_path / "kept")
    filled.write("notes.csv", "note,n\nc,1\n")
    emptied(address)
    shutil.copytree(tmp_path / "kept", address.folder)
    for _ in ("a server that was set up anew", "one with another warehouse"):
        assert "does not belong to the warehouse" in said(lambda: again(filled, address))
        again(filled, emptied(replace(address, folder=tmp_path / "other")))


def test_rows_that_are_lost_on_the_way_are_counted(
    filled: Landing, address: SparkAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.write("notes.csv", "note,n\nc,1\nd,1\n")
    whole = spark.Session.take_over

    def lose_one(session: spark.Session, typed: DuckDB, table: str) -> None:
        typed.execute(f"delete from {table} where note = 'd'")
        whole(session, typed, table)

    with monkeypatch.context() as patch:
        patch.setattr(spark.Session, "take_over", lose_one)
        assert "Spark finds 1 rows of notes in " in said(lambda: again(filled, address))
    again(filled, address)
    assert found(address, "select note from raw.notes order by 1") == [("c",), ("d",)]


# The daily job


def figures(place: Place) -> str:
    """What the page draws; seconds of percentiles are interpolated, so their last digits are left out."""
    with open_for_reading(place) as connection:
        drawn = read_figures(connection, yesterday().date(), 3)
    return re.sub(r"\d+\.\d{9,}", lambda number: f"{float(number[0]):.6f}", str(drawn))


def test_after_a_killed_run_the_daily_job_builds_the_same_as_on_duckdb(
    request: pytest.FixtureRequest,
    address: SparkAddress,
    built: tuple[Home, Outcome],
    sample_dir: Path,
    tmp_path: Path,
) -> None:
    if not request.config.getoption("--spark"):
        pytest.skip('takes ten minutes: make test ARGS="--whole --spark"')
    made = Home.new(tmp_path / "home")
    home = SparkHome(made.dagster_home, made.published, address)
    run = start(home, sample_dir, *MAKE_RUN)
    server, deadline = spark.connect(address), time.monotonic() + 600
    while "dim_events" not in server.tables("core"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    server.close()
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    done = home.command(sample_dir, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert home.differences(built[0], *MARTS, "quality") == {}
    assert figures(address) == figures(built[0].warehouse)
    assert "All 145 checks hold" in (home.report / "state_of_the_data.html").read_text()
