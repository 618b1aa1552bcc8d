"""What cannot be made again is copied whole, comes back elsewhere, and goes on as if nothing had happened."""

import csv
import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import duckdb
import pytest

from greenery_assets import backup
from greenery_assets.backup import MANIFEST, BackupError, back_up, restore
from greenery_assets.settings import Settings
from tests.alerts.projects import ledger_at
from tests.alerts.real import alerts_here
from tests.conftest import RunJob
from tests.job import ROOT, Home, Outcome
from tests.postgres import PROGRAMS, execute, new_database
from tests.slack.fake import FakeSlack

CHANNEL = "data-alerts"


@pytest.fixture
def slack() -> Iterator[FakeSlack]:
    with FakeSlack() as slack:
        slack.add_channel(CHANNEL)
        yield slack


def a_new_day(source: Path) -> str:
    """A day more of a source: an event of today, and an order that is promised for another moment; its id."""
    for name in ("events", "orders"):
        with (source / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        if name == "events":
            viewed = max((row for row in rows if row["event_type"] == "page_view"), key=lambda row: row["created_at"])
            today = f"{datetime.now(UTC):%Y-%m-%d}T00:00:01Z"
            rows.append({**viewed, "event_id": str(uuid4()), "session_id": str(uuid4()), "created_at": today})
        else:
            order = max((row for row in rows if row["estimated_delivery_at"]), key=lambda row: row["created_at"])
            order["estimated_delivery_at"] = order["estimated_delivery_at"].replace("Z", ".5Z")
        with (source / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return order["order_id"]


@pytest.mark.slow
@pytest.mark.slowest
def test_a_platform_restored_elsewhere_goes_on_and_tells_nobody_twice(
    built: tuple[Home, Outcome],
    sample_dir: Path,
    tmp_path: Path,
    run_job: RunJob,
    slack: FakeSlack,
) -> None:
    source = shutil.copytree(sample_dir, tmp_path / "source")
    home = built[0].copy(tmp_path / "before")
    settings: dict[str, Any] = {
        "GREENERY_SLACK_TOKEN": slack.token, "GREENERY_SLACK_API_URL": slack.url, "NO_PROXY": "127.0.0.1",
        # So that one check fails: an incident is open.
        "GREENERY_MAX_SESSION_SHARE": "0.0001",
    }  # fmt: skip
    with alerts_here(home, source, **settings) as alerts:
        alerts.begin()
        assert set(run_job(home, source, new_source=True).failing) == {"no_user_makes_most_of_the_sessions"}
        assert alerts.run_pass().waiting == 0
    told = slack.messages(CHANNEL)
    assert told
    events = home.query("select count(*) from product.int_page_views")
    history = home.query("from snapshots.orders_snapshot order by all")

    made = home.command(source, "backup", str(tmp_path / "copy"), **settings)
    assert made.returncode == 0, made.stderr
    assert f"The backup  {tmp_path / 'copy'}: " in made.stdout
    shutil.rmtree(home.dagster_home.parent)
    other = Home(tmp_path / "after" / "home", tmp_path / "elsewhere" / "shop.duckdb")
    restored = other.command(source, "restore", str(tmp_path / "copy"), **settings)
    assert restored.returncode == 0, restored.stderr
    assert "Next: make run" in restored.stdout

    order = a_new_day(source)
    done = other.command(source, "run", **settings)
    assert done.returncode == 0, done.stdout
    assert set(other.last_outcome().failing) == {"no_user_makes_most_of_the_sessions"}
    with alerts_here(other, source, **settings) as alerts:
        assert alerts.run_pass().waiting == 0
        newest = alerts.instance.get_runs(limit=1)[0]
        assert len(alerts.instance.get_runs()) == 3
    assert "greenery/full_refresh" not in newest.tags
    assert newest.tags["greenery/checks"] == "new"
    assert [message.ts for message in slack.messages(CHANNEL)] == [message.ts for message in told]
    now = other.query("from snapshots.orders_snapshot order by all")
    states = other.query(
        f"select dbt_valid_to is null from snapshots.orders_snapshot where order_id = '{order}' order by dbt_valid_from"
    )
    assert states == [(False,), (True,)]
    assert other.query("select count(*) - 1 from product.int_page_views") == events
    assert len(now) == len(history) + 1
    assert len(set(history) - set(now)) == 1, "one state ended"


# In a home without a run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """One with a history, a ledger and a warehouse, all but empty."""
    home = Home.new(tmp_path / "first")
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        instance.add_run(dg.DagsterRun(job_name="daily_job", run_id="a-run", status=dg.DagsterRunStatus.SUCCESS))
    ledger_at(f"sqlite:///{home.dagster_home / 'alerts.sqlite'}").close()
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute("create table history as select 1 as state")
    return home


Here = Callable[..., Settings]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    """The settings of a home."""

    def settings(home: Home, **others: str) -> Settings:
        for name, value in {**home.environment(Path("/nowhere")), **others}.items():
            monkeypatch.setenv(name, value)
        return Settings()

    return settings


def saved(settings: Settings, to: Path) -> list[str]:
    """Back up; returns what was reported meanwhile."""
    said: list[str] = []
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        back_up(settings, instance, to, said.append)
    return said


def runs_in(home: Home) -> list[str]:
    with closing(sqlite3.connect(home.dagster_home / "history" / "runs.db")) as connection:
        return [run_id for (run_id,) in connection.execute("select run_id from runs")]


def test_a_backup_holds_what_cannot_be_made_again_also_while_it_is_open(home: Home, here: Here, tmp_path: Path) -> None:
    database = home.dagster_home / "history" / "runs.db"
    with closing(sqlite3.connect(database)) as writer, duckdb.connect(str(home.warehouse), read_only=True):
        # Committed, and not in the file itself yet.
        writer.execute("insert into runs (run_id, status, run_body) select 'late', status, run_body from runs")
        writer.commit()
        assert saved(here(home), tmp_path / "copy") == []
    files = {path.relative_to(tmp_path / "copy").as_posix() for path in (tmp_path / "copy").rglob("*.*")}
    assert files == {
        "manifest.json", "ledger.sqlite", "warehouse.duckdb", "home/dagster.yaml", "home/history/runs.db",
        "home/history/runs/index.db", "home/schedules/schedules.db",
    }  # fmt: skip
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0, "it holds personal data"
    other = Home(tmp_path / "other" / "home", tmp_path / "other" / "shop.duckdb")
    ledger = tmp_path / "ledgers" / "alerts.sqlite"
    restore(here(other, GREENERY_ALERTS_LEDGER=f"sqlite:///{ledger}"), tmp_path / "copy")
    assert set(runs_in(other)) == {"a-run", "late"}
    assert other.query("from history") == [(1,)]
    assert ledger.exists()


def cut(copy: Path) -> None:
    with (copy / "warehouse.duckdb").open("r+b") as file:
        file.truncate(5000)


def change(copy: Path) -> None:
    with (copy / "ledger.sqlite").open("r+b") as file:
        file.seek(5000)
        file.write(b"changed")


def lose(copy: Path) -> None:
    (copy / "home" / "history" / "runs.db").unlink()


def lose_manifest(copy: Path) -> None:
    (copy / MANIFEST).unlink()


def cut_manifest(copy: Path) -> None:
    (copy / MANIFEST).write_text((copy / MANIFEST).read_text()[:200])


def of_newer_version(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(manifest | {"version": "99.0"}))


def lead_elsewhere(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["files"]["home/../../x"] = manifest["files"].pop("home/dagster.yaml")
    (copy / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (cut, "warehouse.duckdb is cut or was changed"),
        (change, "ledger.sqlite is cut or was changed"),
        (lose, "runs.db is cut or was changed"),
        (lead_elsewhere, "home/../../x is cut or was changed"),
        (lose_manifest, "is no whole backup"),
        (cut_manifest, "is no whole backup"),
        (of_newer_version, "was made by version 99.0"),
    ],
)
def test_a_backup_that_is_not_as_it_was_made_is_refused(
    home: Home, here: Here, tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    saved(here(home), tmp_path / "copy")
    spoil(tmp_path / "copy")
    other = Home(tmp_path / "other" / "home", tmp_path / "other" / "shop.duckdb")
    with pytest.raises(BackupError, match=reason):
        restore(here(other), tmp_path / "copy")
    assert not other.dagster_home.exists()
    assert not other.warehouse.exists()


def test_a_folder_that_is_not_there_is_no_backup(home: Home, here: Here, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=f"There is no folder {tmp_path / 'copy'}: name the folder of a backup."):
        restore(here(home), tmp_path / "copy")


@pytest.mark.parametrize("what", ["home/history/runs.db", "shop.duckdb"])
def test_a_restore_overwrites_nothing(home: Home, here: Here, tmp_path: Path, what: str) -> None:
    saved(here(home), tmp_path / "copy")
    other = Home(tmp_path / "other" / "home", tmp_path / "other" / "shop.duckdb")
    there = tmp_path / "other" / what
    there.parent.mkdir(parents=True)
    there.write_text("somebody's")
    with pytest.raises(BackupError, match=f"{there} is there already, and a restore overwrites nothing"):
        restore(here(other), tmp_path / "copy")
    assert [path for path in (tmp_path / "other").rglob("*") if path.is_file()] == [there]
    assert there.read_text() == "somebody's"


def test_a_configuration_of_this_machine_stays_and_the_projects_own_gives_way(
    home: Home, here: Here, tmp_path: Path
) -> None:
    configuration = home.dagster_home / "dagster.yaml"
    configuration.write_text(configuration.read_text() + "# of the old machine\n")
    saved(here(home), tmp_path / "copy")
    for number, (given, kept) in enumerate([("", "# of the old machine\n"), ("# of this one\n", "# of this one\n")]):
        other = Home.new(tmp_path / str(number))
        with (other.dagster_home / "dagster.yaml").open("a") as file:
            file.write(given)
        restore(here(other), tmp_path / "copy")
        assert (other.dagster_home / "dagster.yaml").read_text().endswith(kept)
        assert runs_in(other) == ["a-run"]


def test_a_place_that_is_there_or_goes_with_the_home_is_refused(home: Home, here: Here, tmp_path: Path) -> None:
    for place, reason in ((tmp_path, "is there already"), (home.dagster_home / "copy", "lies in DAGSTER_HOME")):
        with pytest.raises(BackupError, match=f"{place} {reason}: name a new folder"):
            saved(here(home), place)


def test_settings_that_name_other_databases_than_the_backup_holds_are_refused(
    home: Home, here: Here, tmp_path: Path
) -> None:
    saved(here(home), tmp_path / "copy")
    other = Home(tmp_path / "other" / "home", tmp_path / "other" / "shop.duckdb")
    url = "postgresql://greenery:secret@localhost/shop"
    with pytest.raises(
        BackupError, match=r"by the settings here it would be ledger.sqlite and warehouse.dump"
    ) as error:
        restore(here(other, GREENERY_ENGINE="postgres", GREENERY_POSTGRES_URL=url), tmp_path / "copy")
    assert "secret" not in str(error.value)
    (home.dagster_home / "dagster.yaml").write_text("storage: {postgres: {postgres_db: {hostname: elsewhere}}}")
    with pytest.raises(BackupError, match="in a database that this command does not know"):
        backup._databases(here(home), home.dagster_home / "dagster.yaml")


def test_a_full_disk_leaves_no_backup_and_no_half_of_one(
    home: Home, here: Here, small_disk: Path, tmp_path: Path
) -> None:
    with (home.dagster_home / "large.log").open("wb") as file:
        file.write(bytes(5_000_000))
    with pytest.raises(BackupError, match=f"The disk that holds {small_disk}.* is full"):
        saved(here(home), small_disk / "copy")
    assert list(small_disk.iterdir()) == []
    (home.dagster_home / "large.log").unlink()
    saved(here(home), tmp_path / "copy")
    other = Home(small_disk / "home", small_disk / "shop.duckdb")
    (small_disk / "rest").write_bytes(bytes(2_500_000))
    with pytest.raises(BackupError, match=f"The disk that holds {small_disk}.* is full"):
        restore(here(other), tmp_path / "copy")
    assert [path.name for path in small_disk.rglob("*") if path.is_file()] == ["rest"]


def test_a_run_that_is_under_way_is_waited_for(
    home: Home, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAUSE_S", 0.1)
    with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
        run = dg.DagsterRun(job_name="daily_job", run_id="under-way", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
        ends = threading.Timer(1, lambda: instance.report_run_failed(run))
        ends.start()
        assert saved(here(home), tmp_path / "copy") == ["Run under-way is under way; waiting for it to end."]
        ends.join()
        assert instance.get_runs(dg.RunsFilter(run_ids=["under-way"]))[0].status == dg.DagsterRunStatus.FAILURE


def test_what_was_written_while_it_was_copied_is_copied_once_more(
    home: Home, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAUSE_S", 0.01)
    copy, settings = backup.copies.copy_file, here(home)
    began: list[str] = []

    def copy_beside_a_run(path: Path, to: Path) -> None:
        copy(path, to)
        if len(began) < runs:
            began.append(str(uuid4()))
            with dg.DagsterInstance.from_config(str(home.dagster_home)) as instance:
                instance.add_run(
                    dg.DagsterRun(job_name="daily_job", run_id=began[-1], status=dg.DagsterRunStatus.SUCCESS)
                )

    monkeypatch.setattr(backup.copies, "copy_file", copy_beside_a_run)
    runs = 2
    assert len(saved(settings, tmp_path / "copy")) == 2
    with closing(sqlite3.connect(tmp_path / "copy" / "home" / "history" / "runs.db")) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (3,)
    began.clear()
    runs = 99
    with pytest.raises(BackupError, match="Try again when fewer runs are under way"):
        saved(settings, tmp_path / "another")
    assert [path.name for path in tmp_path.iterdir() if "another" in path.name] == []


@pytest.mark.slow
def test_tables_in_postgresql_come_back_in_an_empty_database(
    home: Home, here: Here, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}:/usr/bin:/bin")
    kept, again = (new_database(postgres_url, name) for name in ("tables", "tables_again"))
    execute(kept, "create schema core", "create table core.dim_orders as select 7 as order_id")
    saved(here(home, GREENERY_ENGINE="postgres", GREENERY_POSTGRES_URL=kept), tmp_path / "copy")
    for number, (url, reason) in enumerate([(kept, "tables on .* has tables already"), (again, None)]):
        settings = here(Home.new(tmp_path / str(number)), GREENERY_ENGINE="postgres", GREENERY_POSTGRES_URL=url)
        with pytest.raises(BackupError, match=reason) if reason else nullcontext():
            restore(settings, tmp_path / "copy")
    assert execute(again, "select order_id from core.dim_orders") == [(7,)]


@pytest.mark.slow
def test_history_and_ledger_in_postgresql_come_back_in_an_empty_database(
    here: Here, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{PROGRAMS}:/usr/bin:/bin")
    urls = [new_database(postgres_url, f"kept_{number}") for number in range(2)]
    homes = [Home.new(tmp_path / str(number)) for number in range(2)]
    for home in homes:
        shutil.copy(ROOT / "deploy" / "dagster.yaml", home.dagster_home)
    settings = here(homes[0], GREENERY_ALERTS_LEDGER=urls[0])
    with dg.DagsterInstance.from_config(str(homes[0].dagster_home)) as instance:
        instance.add_run(dg.DagsterRun(job_name="daily_job", run_id="a-run", status=dg.DagsterRunStatus.SUCCESS))
        with closing(ledger_at(urls[0])) as ledger, ledger.transaction() as book:
            book.set_progress("dagster_log_read_to", "7")
        back_up(settings, instance, tmp_path / "copy", print)
    assert {path.name for path in (tmp_path / "copy").iterdir()} == {"manifest.json", "ledger.dump", "home"}
    with pytest.raises(BackupError, match="has tables already"):
        restore(here(Home.new(tmp_path / "2"), GREENERY_ALERTS_LEDGER=urls[0]), tmp_path / "copy")
    restore(here(homes[1], GREENERY_ALERTS_LEDGER=urls[1]), tmp_path / "copy")
    with dg.DagsterInstance.from_config(str(homes[1].dagster_home)) as instance:
        assert [run.run_id for run in instance.get_runs()] == ["a-run"]
    with closing(ledger_at(urls[1])) as ledger, ledger.transaction() as book:
        assert book.progress("dagster_log_read_to") == "7"
    assert execute(urls[1], "select count(*) from greenery_alerts.progress") == [(1,)]
    nowhere = here(Home.new(tmp_path / "3"), GREENERY_ALERTS_LEDGER=urls[1].replace("kept_1", "nowhere"))
    with pytest.raises(BackupError, match=r"nowhere on 127\.0\.0\.1 cannot be opened"):
        restore(nowhere, tmp_path / "copy")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackupError, match="pg_dump is not installed here"):
        saved(here(homes[0], GREENERY_ALERTS_LEDGER=urls[0]), tmp_path / "another")
