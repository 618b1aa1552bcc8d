"""The whole platform on PostgreSQL: the daily job, what it says of a server that does not serve, and runs that die."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenery_assets.landing import LoadRefusedError, load
from greenery_assets.preparation import prepare
from greenery_assets.sample import SampleSpec, generate
from greenery_assets.settings import PostgresAddress, SettingsError, load_settings
from greenery_assets.warehouse import (
    NOT_BUILT,
    Source,
    SourceChangedError,
    StatementError,
    WarehouseBusyError,
    WarehouseError,
    WarehouseMissingError,
    fault,
    held,
    open_for_reading,
    recorded_source,
    settle_source,
    transaction,
)
from tests.conftest import RunJob, yesterday
from tests.defects import MUTATIONS
from tests.engines import PostgresHome
from tests.job import MARTS, ROOT, Home, Outcome
from tests.landing.support import CONTRACTS, HEADER, ID, Landing
from tests.postgres import execute, new_database
from tests.test_two_runs import MAKE_RUN, start

SECRET = "s3cret-of-nobody"


@pytest.fixture
def url(postgres_url: str) -> str:
    """A database of the test's own, opened with a password that the server does not ask for."""
    execute(postgres_url, "drop database if exists shop with (force)")
    return new_database(postgres_url, "shop").replace("greenery@", f"greenery:{SECRET}@")


@pytest.fixture
def address(url: str) -> PostgresAddress:
    return PostgresAddress.parse(url)


@pytest.fixture
def filled(landing: Landing, address: PostgresAddress) -> Landing:
    """A source that was loaded once."""
    landing.write("notes.csv", "note,n\na,1\nb,2\n")
    load(address, landing.sources, {"notes": CONTRACTS["notes"]})
    return landing


def again(landing: Landing, address: PostgresAddress, table: str = "notes") -> None:
    load(address, landing.sources, {table: CONTRACTS[table]})


def said(call: Callable[[], object]) -> str:
    """The one sentence, or two, with which a call is refused; no secret is in it."""
    with pytest.raises(WarehouseError) as caught:
        call()
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


# Loading


def test_every_type_and_every_odd_text_arrives_as_in_duckdb(
    landing: Landing, address: PostgresAddress, url: str
) -> None:
    odd = [
        "\\.",
        "\\N",
        '"a ""quoted"", text"',
        '"two\nlines\n\\.\nand more"',
        "ünï ☃ 🌱",
        " blanks ",
        '"it\'s 100% ?"',
        "",
    ]
    rows = [f"{ID[:-2]}{number:02},{text},2021-02-10T00:00:05.123456Z,-30.50,40" for number, text in enumerate(odd)]
    rows += [f"{ID},,,,", "broken", f"{ID},x\0y,2021-02-10T00:00:05Z,1,1"]
    landing.write("items.csv", "\n".join([HEADER, *rows, ""]))
    landing.load("items")
    again(landing, address, "items")
    ordered = "select cast(item_id as varchar), name, created_at, price, pieces from raw.items order by 1, 2"
    assert execute(url, ordered) == landing.query(ordered)
    rejects = "select file, line, column_name, reason from quality.rejected_rows order by 2"
    assert execute(url, rejects) == landing.query(rejects)
    assert len(execute(url, rejects)) == 2
    kinds = "select data_type from information_schema.columns where table_schema = 'raw' order by ordinal_position"
    assert [kind for (kind,) in execute(url, kinds)] == [
        "uuid", "text", "timestamp without time zone", "numeric", "bigint",
    ]  # fmt: skip


def test_files_that_come_change_and_go_replace_their_own_rows_alone(
    landing: Landing, address: PostgresAddress, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1", "2", "3"):
        landing.write(f"notes/{name}.csv", f"note,n\n{name},1\nfaulty,x\n")
    again(landing, address)
    landing.write("notes/2.csv", "note,n\nchanged,1\n")
    (landing.sources / "notes/3.csv").unlink()
    loaded = load(address, landing.sources, {"notes": CONTRACTS["notes"]})["notes"]
    assert (loaded.read_files, loaded.rows, loaded.rejected_rows) == (("notes/2.csv",), 2, 1)
    assert execute(url, "select note from raw.notes order by 1") == [("1",), ("changed",)]
    assert execute(url, "select file from quality.rejected_rows") == [("notes/1.csv",)]
    # Another contract: the views that others made of the table go with it.
    execute(url, "create schema staging", "create view staging.stg_notes as select * from raw.notes")
    from tests.landing import support  # noqa: PLC0415

    shorter = support.TableContract("notes", support.NOTES.columns[:1])
    monkeypatch.setitem(support.CONTRACTS, "notes", shorter)
    again(landing, address)
    assert execute(url, "select * from raw.notes order by 1") == [("1",), ("changed",), ("faulty",)]
    assert execute(url, "select count(*) from pg_class where relname = '_'") == [(0,)]


def test_a_day_and_a_file_are_found_without_reading_all_rows(
    landing: Landing, address: PostgresAddress, url: str
) -> None:
    for day in ("10", "11"):
        landing.write(f"items/{day}.csv", f"{HEADER}\n{ID},a,2021-02-{day}T00:00:05Z,1,1\n")
        again(landing, address, "items")
    for of_it in ("created_at >= '2021-02-11'", "landing_file = '11.csv'"):
        # By itself it reads so small a table in full.
        plan = execute(url, f"set enable_seqscan = off; explain select * from landing.items_by_file where {of_it}")
        assert "Bitmap Index Scan on items_rows_in_order" in str(plan), of_it


def test_a_refused_load_changes_nothing_but_its_rejects(filled: Landing, address: PostgresAddress, url: str) -> None:
    filled.write("notes.csv", "note,n\nc,x\n")
    with pytest.raises(LoadRefusedError):
        load(address, filled.sources, {"notes": CONTRACTS["notes"]}, refuses=lambda arrival: arrival.rows == 0)
    assert execute(url, "select note from raw.notes order by 1") == [("a",), ("b",)]
    assert execute(url, "select line, load_was_refused from quality.rejected_rows") == [(2, True)]


@pytest.mark.usefixtures("filled")
def test_sample_data_and_a_shop_get_schemas_of_their_own(address: PostgresAddress, url: str, tmp_path: Path) -> None:
    sample = Source.of(None, tmp_path / "sample")
    with pytest.raises(SourceChangedError, match=r"filled from .* each schema of it is then renamed"):
        settle_source(address, sample, sample.folder)
    set_aside = settle_source(address, sample, sample.folder, is_new_source=True)
    assert isinstance(set_aside, str)
    sample.folder.mkdir()
    (sample.folder / "sample.json").write_text("{}")
    (sample.folder / "notes.csv").write_text("note,n\ns,1\n")
    load(address, sample.folder, {"notes": CONTRACTS["notes"]}, set_aside=set_aside)
    assert execute(url, "select note from raw.notes") == [("s",)]
    assert execute(url, f"select note from raw_{set_aside}.notes order by 1") == [("a",), ("b",)]
    with open_for_reading(address) as connection:
        source = recorded_source(connection)
        assert source is not None
        assert source.is_sample
        with pytest.raises(NOT_BUILT):
            connection.execute("select 1 from core.fact_orders")
        with pytest.raises(StatementError, match="ReadOnlySqlTransaction"):
            connection.execute("create table raw.x (y int)")


# What is wrong with a server, a database, a right


def test_a_server_that_is_not_there_a_database_and_a_login_are_told_apart(address: PostgresAddress, url: str) -> None:
    with pytest.raises(WarehouseMissingError, match="has no tables yet; make them with make run"):
        open_for_reading(address)
    gone = dataclasses.replace(address, port=1)
    assert "No PostgreSQL server answers at 127.0.0.1:1 (" in said(lambda: open_for_reading(gone))
    assert fault(gone) == said(lambda: open_for_reading(gone))
    assert fault(address) is None
    nowhere = dataclasses.replace(address, database="nowhere")
    assert "has no database nowhere: make it (createdb nowhere)" in said(lambda: open_for_reading(nowhere))
    execute(url, "drop role if exists closed", "create role closed nologin")
    closed = dataclasses.replace(address, user="closed")
    assert "does not let the user closed into the database shop" in said(lambda: open_for_reading(closed))


def test_a_database_with_other_tables_in_our_schemas_is_left_alone(
    landing: Landing, address: PostgresAddress, url: str
) -> None:
    execute(url, "create schema core", "create schema raw", "create table core.fact_orders (x int)")
    landing.write("notes.csv", "note,n\na,1\n")
    before = execute(url, "select oid, relname from pg_class order by 1")
    text = said(lambda: again(landing, address))
    assert "did not make, in schemas that it would use (core.fact_orders). Nothing was changed" in text
    assert execute(url, "select oid, relname from pg_class order by 1") == before
    # Empty ones may have been made for us.
    execute(url, "drop table core.fact_orders")
    again(landing, address)


def test_a_user_without_rights_is_named_with_what_is_missing(
    landing: Landing, address: PostgresAddress, url: str
) -> None:
    execute(url, "drop role if exists guest", "create role guest login")
    guest = dataclasses.replace(address, user="guest")
    landing.write("notes.csv", "note,n\na,1\n")
    assert "The user guest of the warehouse shop on " in said(lambda: again(landing, guest))
    assert "may not make its schemas (core, " in said(lambda: again(landing, guest))
    again(landing, address)
    assert "which another user made" in said(lambda: again(landing, guest))
    execute(
        url, "drop schema raw, landing, quality cascade", "create schema core", "grant create on database shop to guest"
    )
    assert "may not make tables in its schemas (core)" in said(lambda: again(landing, guest))
    execute(url, "drop schema core", "drop owned by guest")


def test_one_run_at_a_time(filled: Landing, address: PostgresAddress) -> None:
    with held(address):
        text = said(lambda: again(filled, address))
        with open_for_reading(address) as connection:
            assert connection.execute("select count(*) from raw.notes").fetchone() == (2,)
    assert "Another run (greenery on " in text
    assert f"PID {os.getpid()}, since " in text
    assert "this one stopped and changed nothing" in text
    with transaction(address), pytest.raises(WarehouseBusyError), held(address):
        pass
    again(filled, address)


@pytest.mark.usefixtures("filled")
def test_a_server_that_stops_in_the_middle_undoes_what_was_begun(address: PostgresAddress, url: str) -> None:
    def interrupted() -> None:
        with transaction(address) as connection:
            connection.execute("delete from landing.notes_rows")
            execute(
                url, "select pg_terminate_backend(pid) from pg_stat_activity where application_name ~ '^greenery on'"
            )
            connection.execute("select 1")

    assert "stopped, or the connection to it was lost. What the run had begun to write is undone" in said(interrupted)
    assert execute(url, "select count(*) from raw.notes") == [(2,)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ENGINE": "mysql"}, "GREENERY_ENGINE='mysql': must be duckdb, postgres or spark"),
        ({"ENGINE": ""}, "GREENERY_ENGINE is empty in the environment"),
        ({"ENGINE": "postgres"}, "GREENERY_POSTGRES_URL is not set, which GREENERY_ENGINE=postgres needs: postgresql://"),
        ({"POSTGRES_URL": f"postgresql://u:{SECRET}@h/d"}, "GREENERY_ENGINE is not set, but GREENERY_POSTGRES_URL is"),
        *(
            ({"ENGINE": "postgres", "POSTGRES_URL": wrong}, "GREENERY_POSTGRES_URL=(hidden): must be postgresql://user:")
            for wrong in (
                f"mysql://u:{SECRET}@h/d", f"postgresql://u:{SECRET}/x@h/d", f"postgresql://u:{SECRET}@h",
                f"postgresql://u:{SECRET}@h:many/d", f"postgresql://:{SECRET}@h/d", f"u:{SECRET}",
                f"postgresql://u:{SECRET}@h/d?options=-csearch_path=x", f"postgresql://u:{SECRET}@h/d#x",
                f"postgresql://[u:{SECRET}@h/d", f"postgresql://u:{SECRET}@h/d?{SECRET}",
            )
        ),
        (
            {"ENGINE": "postgres", "POSTGRES_URL": f"postgresql://u:{SECRET}@h/d?sslmode=x"},
            "GREENERY_POSTGRES_URL=(hidden): must have an sslmode of disable, ",
        ),
    ],
)  # fmt: skip
def test_settings_that_are_wrong(settings: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Where definitions were loaded before, the process has it.
    monkeypatch.delenv("GREENERY_ENGINE", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(f"GREENERY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert str(caught.value).count("\n") == 1


def test_a_missing_driver_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenery_assets.settings.find_spec", lambda _: None)
    monkeypatch.setenv("GREENERY_ENGINE", "postgres")
    monkeypatch.setenv("GREENERY_POSTGRES_URL", "postgresql://u@h/d")
    with pytest.raises(SettingsError, match=r"needs a driver .*: pip install 'greenery-assets\[postgres\]'"):
        load_settings()


def test_an_address_is_what_the_url_says() -> None:
    address = PostgresAddress.parse("postgresql+psycopg2://u%40x:p%2F%3A@H:1/d%20b?sslmode=require")
    assert address == PostgresAddress("h", 1, "u@x", "p/:", "d b", "require")
    assert "p/:" not in repr(address)
    assert str(address) == "d b on h:1"
    assert PostgresAddress.parse("postgres://u@h/d") == PostgresAddress("h", 5432, "u", "", "d", "prefer")


def test_the_driver_is_led_by_the_settings_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = dict(os.environ)
    monkeypatch.setenv("GREENERY_ENGINE", "postgres")
    monkeypatch.setenv("GREENERY_POSTGRES_URL", f"postgresql://u:{SECRET}@h/d?sslmode=require")
    monkeypatch.setenv("GREENERY_WAREHOUSE_PATH", str(tmp_path / "none" / "w.duckdb"))
    for name in ("PGHOSTADDR", "PGSERVICE", "PGOPTIONS", "PGTZ", "GREENERY_POSTGRES_HOST"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("PGHOST", "of a program of theirs")
    try:
        settings = load_settings()
        assert SECRET not in repr(settings) + repr(settings.warehouse)
        for removed in (["PGHOSTADDR", "PGOPTIONS", "PGSERVICE"], []):
            assert prepare(settings) == removed
        for name, value in {
            "ENGINE": "postgres",
            "POSTGRES_HOST": "h",
            "POSTGRES_PORT": "5432",
            "POSTGRES_USER": "u",
            "POSTGRES_DATABASE": "d",
            "POSTGRES_SSLMODE": "require",
        }.items():
            assert os.environ[f"GREENERY_{name}"] == value
        assert (os.environ["PGTZ"], os.environ["DBT_ENV_SECRET_GREENERY_PASSWORD"]) == ("UTC", SECRET)
        assert not (tmp_path / "none").exists(), "a folder for a file that is not used"
    finally:
        os.environ.clear()
        os.environ.update(before)


# The daily job


@pytest.fixture
def home(url: str, tmp_path: Path) -> PostgresHome:
    made = Home.new(tmp_path / "home")
    return PostgresHome(made.dagster_home, made.published, url)


WARNINGS = max(MUTATIONS, key=len)


@pytest.mark.slow
def test_the_daily_job_finds_and_builds_the_same_as_on_duckdb(
    home: PostgresHome, built: tuple[Home, Outcome], sample_dir: Path, run_job: RunJob, tmp_path: Path
) -> None:
    outcome = run_job(home, sample_dir)
    assert (outcome.checks, outcome.built, outcome.success) == (built[1].checks, tuple(built[1].built), True), (
        outcome.faults
    )
    assert home.differences(built[0], *MARTS, "quality") == {}
    page = (home.report / "state_of_the_data.html").read_text()
    assert "All 145 checks hold" in page
    assert (home.report / "state_of_the_data.png").exists()
    # An ERROR, many warnings, rows set aside: each is found, with the same rows, and what it stopped is as it was.
    defects = ("second_checkout:2", *WARNINGS.split())
    generate(SampleSpec(until=yesterday().date(), defects=defects), tmp_path / "source")
    other = built[0].copy(tmp_path / "duckdb")
    theirs = run_job(other, tmp_path / "source", new_source=True)
    ours = run_job(home, tmp_path / "source", new_source=True)
    assert (ours.checks, ours.built, ours.success) == (theirs.checks, theirs.built, False)
    assert "order_has_at_most_one_checkout" in ours.failing_errors
    assert len(ours.failing) > 15
    assert home.differences(other, *MARTS, "quality") == {}
    assert SECRET not in "".join(
        path.read_text(errors="replace") for path in (home.dagster_home.parent).rglob("*") if path.is_file()
    )


@pytest.mark.slowest
def test_the_real_export_fails_two_checks_and_no_other(
    home: PostgresHome, real_built: tuple[Home, Outcome], real_export: Path, run_job: RunJob
) -> None:
    outcome = run_job(home, real_export)
    assert {outcome.checks[name].assumption for name in outcome.failing} == {"A20", "A22"}
    assert outcome.checks == real_built[1].checks
    assert home.differences(real_built[0], *MARTS, "quality") == {}
    assert home.query("select users_repeat, users_purchased from marketing.fact_repeat_rate") == [(99, 124)]


# Processes that die


def wait_for(url: str, condition: str) -> None:
    """Until the server is at work on something."""
    deadline = time.monotonic() + 120
    while not execute(url, f"select 1 from pg_stat_activity where pid <> pg_backend_pid() and {condition}"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def slow_inserts(filled: Landing, url: str) -> Landing:
    """A source that was loaded once, each row of which takes a while from here on."""
    execute(
        url,
        "create function public.wait() returns trigger language plpgsql as "
        "'begin perform pg_sleep(0.2); return new; end'",
        "create trigger wait before insert on landing.notes_rows for each row execute function public.wait()",
    )
    return filled


def test_a_load_that_is_killed_leaves_all_as_it_was_and_nothing_in_the_way(
    slow_inserts: Landing, address: PostgresAddress, url: str
) -> None:
    slow_inserts.write("notes.csv", "note,n\n" + "".join(f"row {n},{n}\n" for n in range(100)))
    code = (
        "import sys; from pathlib import Path; from tests.landing.support import CONTRACTS;"
        "from greenery_assets.landing import load; from greenery_assets.settings import PostgresAddress;"
        "load(PostgresAddress.parse(sys.argv[1]), Path(sys.argv[2]), {'notes': CONTRACTS['notes']})"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url, str(slow_inserts.sources)], cwd=ROOT)
    wait_for(url, "starts_with(query, 'copy landing') and state = 'active'")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert execute(url, "select note from raw.notes order by 1") == [("a",), ("b",)]
    slow_inserts.write("notes.csv", "note,n\nnew,1\n")
    again(slow_inserts, address)
    assert execute(url, "select note from raw.notes") == [("new",)]


@pytest.mark.slowest
def test_a_run_whose_dbt_is_killed_with_it_is_made_up_for_by_the_next(
    home: PostgresHome, built: tuple[Home, Outcome], sample_dir: Path
) -> None:
    run = start(home, sample_dir, *MAKE_RUN)
    wait_for(home.url, "application_name = 'greenery dbt' and strpos(query, 'create') > 0")
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    done = home.command(sample_dir, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert home.differences(built[0], *MARTS, "quality") == {}
