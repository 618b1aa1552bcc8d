"""Dagster's own files that cannot be used: one sentence with file, cause and remedy, from each command."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DatabaseError

from greenery_assets.dagster_home import DATABASES, REASONS, DagsterHomeError, check_home, history_error
from greenery_assets.preparation import prepare
from greenery_assets.settings import SettingsError, load_settings
from tests.job import ROOT, Home

NOBODY = 65534
RUNBOOK = "## Dagster's history cannot be opened"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which Dagster has made its databases. Read only."""
    home = Home.new(tmp_path_factory.mktemp("fresh")).dagster_home
    with dg.DagsterInstance.from_config(str(home)):
        pass
    assert all((home / name).exists() for name in DATABASES)
    return home


@pytest.fixture
def home(fresh: Path, tmp_path: Path) -> Home:
    """One of the test's own to break."""
    shutil.copytree(fresh, tmp_path / "dagster_home")
    return Home(tmp_path / "dagster_home", tmp_path / "greenery.duckdb")


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A folder that every user of the machine can reach and write; pytest's own are the user's alone."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


@pytest.mark.slow
def test_programs_that_open_a_new_home_at_once_make_one_history(tmp_path: Path) -> None:
    home = Home.new(tmp_path)
    program = (
        "from pathlib import Path; from greenery_assets.dagster_home import open_history\n"
        f"with open_history(Path({str(home.dagster_home)!r})) as instance: print(instance.get_runs_count())"
    )
    environment = {**os.environ, "DAGSTER_HOME": str(home.dagster_home)}
    programs = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [one.communicate()[0] for one in programs] == ["0\n"] * 4
    check_home(home.dagster_home)


def test_a_database_that_two_programs_made_at_once_is_named(home: Home) -> None:
    file = home.dagster_home / DATABASES[0]
    check_home(home.dagster_home)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("insert into alembic_version values ('5771160a95ad')")
    with pytest.raises(DagsterHomeError, match=f"{re.escape(str(file))} is damaged"):
        check_home(home.dagster_home)


@contextmanager
def without_rights() -> Iterator[None]:
    """In it this process is a user who has only the rights that modes give."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def garbage(file: Path) -> None:
    file.write_bytes(b"no database at all" * 300)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:6000])


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


BREAKAGES: list[tuple[Callable[[Path], None], str]] = [
    (garbage, "is no database; restore a copy"),
    (truncated, "is damaged; restore a copy"),
    (folder, "cannot be opened; look whether it is a file"),
]


@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize(("breaks", "says"), BREAKAGES)
def test_a_broken_database_is_named_with_cause_and_remedy(
    home: Home, name: str, breaks: Callable[[Path], None], says: str
) -> None:
    check_home(home.dagster_home)
    breaks(home.dagster_home / name)
    with pytest.raises(DagsterHomeError) as error:
        check_home(home.dagster_home)
    assert f"{home.dagster_home / name} {says}" in str(error.value)
    assert "docs/runbook.md" in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"run_queue: [\n  a: b: c\n", "is no YAML in line"),
        (b"- a\n- b\n", "is no list of settings by name"),
        (b"# caf\xe9\n", "is not UTF-8"),
    ],
)
def test_a_dagster_yaml_that_cannot_be_read_is_named(home: Home, content: bytes, says: str) -> None:
    file = home.dagster_home / "dagster.yaml"
    file.write_bytes(content)
    with pytest.raises(DagsterHomeError, match=f"dagster.yaml {says}.*; correct it, or move it away"):
        check_home(home.dagster_home)


def test_a_home_of_before_dagsters_own_storage_is_told_what_to_remove(home: Home) -> None:
    file = home.dagster_home / "dagster.yaml"
    entry = "event_log_storage:\n  module: greenery_assets.storage\n  class: BatchedSqliteEventLogStorage\n"
    file.write_text(f"{file.read_text()}\n{entry}")
    with pytest.raises(
        DagsterHomeError, match=r"remove the three lines of event_log_storage. .* with the same history"
    ):
        check_home(home.dagster_home)


def test_a_database_that_another_program_is_writing_is_not_broken(home: Home) -> None:
    writer = sqlite3.connect(home.dagster_home / DATABASES[0])
    writer.execute("begin exclusive")
    check_home(home.dagster_home)
    writer.close()


@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_files_of_a_home_without_rights_are_named(anybodys: Path, mode: int) -> None:
    database, configuration = anybodys / DATABASES[0], anybodys / "dagster.yaml"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table t (x)")
    configuration.touch()
    database.chmod(mode)
    with without_rights(), pytest.raises(DagsterHomeError) as error:
        check_home(anybodys)
    assert f"{database} {'is read-only' if mode else 'cannot be opened'}" in str(error.value)
    configuration.chmod(0)
    with without_rights(), pytest.raises(DagsterHomeError, match=r"dagster\.yaml cannot be read \(Permission denied\)"):
        check_home(anybodys)


@pytest.mark.parametrize("variable", ["DAGSTER_HOME", "GREENERY_WAREHOUSE_PATH"])
def test_a_folder_without_rights_is_named_with_its_setting(
    anybodys: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (anybodys / "closed").mkdir(mode=0o555)
    monkeypatch.setenv("DAGSTER_HOME", str(anybodys / "home"))
    monkeypatch.setenv("GREENERY_WAREHOUSE_PATH", str(anybodys / "greenery.duckdb"))
    monkeypatch.setenv("GREENERY_REPORT_DIR", str(anybodys / "report"))
    monkeypatch.setenv(variable, str(anybodys / "closed" / "folder" / "x"))
    with without_rights(), pytest.raises(SettingsError, match=f"Permission denied.*{variable}"):
        prepare(load_settings())
    if variable == "DAGSTER_HOME":
        shutil.copy(ROOT / "dagster_home" / "dagster.yaml", anybodys / "closed")
        monkeypatch.setenv(variable, str(anybodys / "closed"))
        with without_rights(), pytest.raises(SettingsError, match="is not writable; change its rights"):
            prepare(load_settings())


def test_what_breaks_while_a_command_is_at_work_is_told_by_its_code(home: Home) -> None:
    engine = create_engine(f"sqlite:///{home.dagster_home / 'full.db'}", poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("pragma max_page_count=2"))
        with pytest.raises(DatabaseError) as full:
            connection.execute(text("create table t as select randomblob(100000)"))
    assert "cannot grow, as the disk is full; make room" in str(history_error(full.value, home.dagster_home))
    assert history_error(ValueError("database disk image is malformed"), home.dagster_home) is None
    garbage(home.dagster_home / DATABASES[1])
    assert "index.db is no database" in str(history_error(full.value, home.dagster_home))


@pytest.mark.parametrize(
    "command",
    [
        ("greenery_assets", "run"),
        ("greenery_assets", "ui"),
        ("greenery_assets", "report"),
        ("greenery_assets", "alerts", "status"),
    ],
)
def test_each_command_ends_in_one_sentence(home: Home, command: tuple[str, ...], tmp_path: Path) -> None:
    truncated(home.dagster_home / DATABASES[1])
    done = home.command(tmp_path, *command[1:], module=command[0])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Dagster's history cannot be opened: ")
    assert f"{home.dagster_home / DATABASES[1]} is damaged" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_configuration_that_dagster_does_not_take_ends_in_one_sentence(home: Home, tmp_path: Path) -> None:
    (home.dagster_home / "dagster.yaml").write_text("run_queue:\n  nonsense: 1\n")
    done = home.command(tmp_path, "ui")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{home.dagster_home / 'dagster.yaml'}: Received unexpected config entry" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_runbook_knows_each_cause() -> None:
    entry = (ROOT / "docs" / "runbook.md").read_text().partition(RUNBOOK)[2].partition("\n## ")[0]
    for name in DATABASES:
        assert f"`{name}`" in entry
    for code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN):
        assert f"*{REASONS[code].partition(';')[0]}*" in entry
