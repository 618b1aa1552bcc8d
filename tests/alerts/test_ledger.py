"""The ledger's schema is made, upgraded and refused as it should be, and what was kept goes on."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Row, create_engine
from sqlalchemy.exc import IntegrityError

from greenery_assets.alerts import ledger as ledger_module
from greenery_assets.alerts import schema
from greenery_assets.alerts.incidents import Incident, Subject, Track
from greenery_assets.alerts.ledger import LATELY, STARTED_AFTER, Ledger, Outgoing
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.runs import newest_run_end
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.assets.slack_messages import messages_arrive
from tests.alerts.builders import finding
from tests.alerts.projects import ledger_at
from tests.alerts.recorded import record_run
from tests.alerts.shop import Shop, transport_to
from tests.job import ROOT
from tests.slack.fake import FakeSlack

CHANNEL = "data-alerts"
# A ledger of the first schema, with an open incident and one that a second run opened: written once, never renewed.
FIRST_LEDGER = Path(__file__).with_name("ledger_0001.sql")
NEXT_REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("incidents", sa.Column("note", sa.String(), nullable=True))
    {then}
"""


@pytest.fixture
def first_ledger(shop: Shop) -> Path:
    file = shop.home / "alerts.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(FIRST_LEDGER.read_text())
    return file


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def next_version(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str = "pass") -> None:
    """Go on as a version of the project with one migration more."""
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    head = max(path.stem.removeprefix("ledger_") for path in (folder / "versions").glob("ledger_*.py"))
    (folder / "versions" / "ledger_9999.py").write_text(NEXT_REVISION.format(head=head, then=then))
    monkeypatch.setattr(schema, "MIGRATIONS", folder)


def rows(file: Path, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(file) as connection:
        return connection.execute(f"select * from {table}").fetchall()


def test_the_migrations_make_the_tables_that_the_code_uses(tmp_path: Path) -> None:
    ledger_at(url(tmp_path / "new.sqlite")).close()
    with create_engine(url(tmp_path / "new.sqlite")).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []


def test_a_ledger_of_the_first_schema_goes_on_where_it_was(shop: Shop, slack: FakeSlack, first_ledger: Path) -> None:
    alerts = shop.alerts(transport_to(slack))
    # As many runs as its own home had seen: places in Dagster's log go on from there.
    for _ in range(2):
        record_run(shop, "orders=F3 events=f2 users=?")
    newest = newest_run_end(shop.instance)
    assert newest
    with alerts.ledger.transaction() as book:
        book.set_progress(STARTED_AFTER, str(newest.storage_id))
        told = book.open_incidents()
        assert [incident.subject.name for incident in told.values()] == ["orders", "events"]
        assert [thread.channel for thread in book.threads_of(told[1])] == ["#data-alerts"]
    record_run(shop, "events=f5")
    alerts.run_pass()
    with alerts.ledger.transaction() as book:
        assert [incident.subject.name for incident in book.open_incidents().values()] == ["events"]
    assert "2 → 5 rows" in str([posted.text for posted in slack.all_messages()])
    assert len(rows(first_ledger, "runs")) == 3


def test_an_upgrade_keeps_every_row(tmp_path: Path, first_ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rows(first_ledger, "incidents")
    assert before
    next_version(tmp_path / "migrations", monkeypatch)
    ledger_at(url(first_ledger)).close()
    after = rows(first_ledger, "incidents")
    assert [row[: len(before[0])] for row in after] == before
    assert {row[-1] for row in after} == {None}
    assert rows(first_ledger, "alembic_version") == [("9999",)]


def test_an_upgrade_that_breaks_off_leaves_the_ledger_as_it_was(
    tmp_path: Path, first_ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(first_ledger, "incidents")
    with monkeypatch.context() as patch:
        next_version(tmp_path / "migrations", patch, then='op.execute("no sql")')
        with pytest.raises(LedgerError, match="cannot be opened"):
            ledger_at(url(first_ledger))
    assert rows(first_ledger, "incidents") == before
    ledger_at(url(first_ledger)).close()


def test_a_newer_ledger_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        next_version(tmp_path / "migrations", patch)
        ledger_at(url(tmp_path / "new.sqlite")).close()
    with pytest.raises(LedgerError, match=r"newer version of this project \(schema 9999\)"):
        ledger_at(url(tmp_path / "new.sqlite"))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("nonsense", "no database URL"),
        ("oracle9000://x", "no database URL"),
        ("postgresql://me:secret@127.0.0.1:x/x", "no database URL"),
        ("postgresql://me:of/secret@127.0.0.1/x", "no database URL"),
        ("postgresql://me:of@secret@127.0.0.1/x", "no database URL"),
        ("me:secret@127.0.0.1", "no database URL"),
        ("sqlite:////nowhere/to/be/found.sqlite", "cannot be opened"),
        ("postgresql+psycopg2://me:secret@127.0.0.1:1/x", "cannot be opened"),
        ("postgresql+psycopg2://127.0.0.1:1/x?user=me&password=secret", "cannot be opened"),
    ],
)
def test_a_ledger_that_cannot_be_used_is_named_without_its_password(address: str, says: str) -> None:
    with pytest.raises(LedgerError, match=says) as error:
        ledger_at(address)
    assert "secret" not in str(error.value)


OPENING = """
import sys
from tests.alerts.projects import ledger_at
print("ready", flush=True)
for address in sys.stdin.read().split():
    ledger_at(address).close()
"""


def open_at_once(addresses: list[str]) -> None:
    """Have four processes open the same ledgers, one after the other."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n".join(addresses))
        process.stdin.close()
        process.stdin = None
    said = [process.communicate(timeout=60)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, "\n".join(said)


def test_several_processes_may_be_the_first_to_open_a_ledger(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.sqlite" for number in range(8)]
    open_at_once([url(file) for file in files])
    assert {len(rows(file, "alembic_version")) for file in files} == {1}


def test_a_reader_waits_for_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "LONGEST_WAIT_S", 0)
    file = tmp_path / "alerts.sqlite"
    writer = ledger_at(url(file))
    with writer.transaction() as book:
        book.set_progress("x", "1")
        reader = ledger_at(url(file))
        with reader.transaction() as reading:
            assert reading.progress("x") is None
        reader.close()
    writer.close()


def say(ledger: Ledger, text: str, edits: str | None = None, state: str = "sent", age: timedelta = timedelta()) -> None:
    """Put a message into a ledger whose delivery id is its text."""
    with ledger.transaction() as book:
        book.enqueue(
            Outgoing("#data-alerts", Message(text, ()), edits=edits, delivery_id=text), datetime.now(UTC) - age
        )
        book.mark(text, state=state)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = ledger_at(url(tmp_path / "a.sqlite"))
    yield ledger
    ledger.close()


def test_a_database_that_fails_is_told_in_one_line_without_what_was_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LONGEST_WAIT_S", 0)
    ledger = ledger_at(url(tmp_path / "a.sqlite"))
    with sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None) as other:
        other.execute("begin immediate")
        with pytest.raises(LedgerError) as error:
            say(ledger, "Somebody's secret")
    other.close()
    assert str(error.value) == (
        f"The alert ledger {tmp_path / 'a.sqlite'} cannot be used: another program has it locked. "
        "Close the program that has it open, such as a database browser, and run again."
    )
    causes = [error.value, error.value.__cause__, error.value.__context__]
    assert not [cause for cause in causes if "secret" in str(cause)]
    say(ledger, "again")
    ledger.close()


def a_folder(file: Path) -> None:
    file.mkdir()


def nonsense(file: Path) -> None:
    file.write_text("nonsense" * 999)


def empty(file: Path) -> None:
    ledger_at(url(file)).close()


def damaged(file: Path) -> None:
    """All but the first page is overwritten."""
    empty(file)
    with file.open("r+b") as content:
        content.seek(4096)
        content.write(b"\xff" * (file.stat().st_size - 4096))


@pytest.mark.parametrize(
    ("harm", "address", "says"),
    [
        (a_folder, "", "it is a folder. Move the folder away, or name a file in GREENERY_ALERTS_LEDGER."),
        (nonsense, "", "it is damaged, or no SQLite database. Put a backup in its place, or move it away: "),
        (damaged, "", "it is damaged. Put a backup in its place, or move it away: "),
        (empty, "?mode=ro&uri=true", "this user may not write it. Let this user write the file and its folder."),
    ],
)
def test_a_broken_ledger_is_named_with_cause_and_remedy(
    tmp_path: Path, harm: Callable[[Path], None], address: str, says: str
) -> None:
    # What is wrong is told by the database's code: no word in a path stands for another.
    file = tmp_path / "lock full corrupt.sqlite"
    harm(file)
    with pytest.raises(LedgerError) as error:
        open_and_write(f"sqlite:///file:{file}{address}" if address else url(file))
    assert f"{file} cannot be " in str(error.value)
    assert says in str(error.value)


def open_and_write(address: str) -> None:
    ledger = ledger_at(address)
    try:
        say(ledger, "x")
    finally:
        ledger.close()


def test_a_full_disk_is_named_with_the_remedy(tmp_path: Path) -> None:
    ledger = ledger_at(url(tmp_path / "a.sqlite"))
    with ledger._engine.connect() as connection:
        connection.exec_driver_sql("pragma max_page_count=1")
    with pytest.raises(LedgerError, match=r"its disk is full\. Free some space there\."):
        say(ledger, "x" * 1_000_000)
    ledger.close()


def test_a_mistake_of_our_own_is_not_taken_for_the_database_failing(ledger: Ledger) -> None:
    say(ledger, "Somebody's secret")
    with pytest.raises(IntegrityError) as error:
        say(ledger, "Somebody's secret")
    assert "secret" not in str(error.value)
    with pytest.raises(ZeroDivisionError), ledger.transaction():
        print(1 / 0)


def test_of_edits_only_the_newest_sent_ones_of_the_messages_in_question_are_read(ledger: Ledger) -> None:
    for text, edits, state in [
        ("a", None, "sent"),
        ("b", None, "sent"),
        ("c", None, "sent"),
        ("a1", "a", "sent"),
        ("a2", "a", "sent"),
        ("a3", "a", "pending"),
        ("b1", "b", "sent"),
    ]:
        say(ledger, text, edits, state)
    with ledger.transaction() as book:
        assert {root: row.text for root, row in book.newest_edits(["a", "c"]).items()} == {"a": "a2"}
        assert book.newest_edits([]) == {}


def test_what_was_refused_is_told_of_for_a_day(ledger: Ledger) -> None:
    say(ledger, "old", state="refused", age=LATELY + timedelta(minutes=1))
    say(ledger, "new", state="refused", age=LATELY - timedelta(minutes=1))
    with ledger.transaction() as book:
        assert [row.text for row in book.refused(datetime.now(UTC) - LATELY)] == ["new"]
        assert [row.text for row in book.refused(datetime.now(UTC) - 2 * LATELY)] == ["old", "new"]


def test_of_each_subject_only_the_newest_incident_is_read(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def episode(subject: Subject, number: int, *, is_open: bool = False) -> Track:
        found, now = finding(subject, "F3"), datetime(2026, 5, 4, tzinfo=UTC)
        return Track("F", Incident(subject, number, now, "run", found, "run", resolved_at=None if is_open else now))

    subjects = [Subject("raw/orders", f"check_{number}") for number in range(400)]
    still_open = Subject("raw/orders", "open")
    with ledger.transaction() as book:
        for number in (1, 2):
            book.save({}, {subject: episode(subject, number) for subject in subjects})
        book.save({}, {still_open: episode(still_open, 1, is_open=True)})
    decoded = []
    decode = ledger_module._incident

    def counted(row: Row[Any]) -> Incident:
        decoded.append(row)
        return decode(row)

    monkeypatch.setattr(ledger_module, "_incident", counted)
    with ledger.transaction() as book:
        state = book.state()
    assert {subject: track.incident and track.incident.episode for subject, track in state.items()} == {
        **dict.fromkeys(subjects, 2),
        still_open: 1,
    }
    assert len(decoded) == 401


def test_a_ledger_that_cannot_be_reached_fails_the_check_of_it_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("GREENERY_WAREHOUSE_PATH", str(tmp_path / "w.duckdb"))
    monkeypatch.setenv("GREENERY_ALERTS_LEDGER", "postgresql+psycopg2://me:secret@127.0.0.1:1/x")
    from greenery_assets.definitions import catalogue  # noqa: PLC0415  reads the settings

    result = messages_arrive(catalogue)
    assert isinstance(result, dg.AssetCheckResult)
    assert not result.passed
    assert str(result.description).startswith("The alert ledger postgresql+psycopg2://me:***@127.0.0.1:1/x cannot")
