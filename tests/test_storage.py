"""Databases that are held open while a run writes its events, and what a run plans stored at once."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.pool import NullPool

from greenery_assets.settings import PROJECT_ROOT
from greenery_assets.storage import BatchedSqliteEventLogStorage, databases_kept_open


def test_the_log_of_a_database_outlives_the_connection_that_wrote_it_and_is_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode=wal")
        connection.execute("create table runs (id integer)")
    connection.close()
    log = path.with_name("runs.db-wal")
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    def write() -> bool:
        with engine.begin() as written:
            written.execute(text("insert into runs values (1)"))
        return log.exists()

    assert not write()
    with databases_kept_open():
        assert write()
        assert write()
    assert not log.exists()
    assert not write(), "it goes on holding databases"
    with sqlite3.connect(path) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (4,)
    connection.close()


def test_databases_in_memory_are_left_alone() -> None:
    with databases_kept_open(), create_engine("sqlite://").begin() as connection:
        assert connection.execute(text("select 1")).scalar() == 1


ASSETS = [f"asset_{number}" for number in range(20)]


@dg.multi_asset(
    specs=[dg.AssetSpec(name) for name in ASSETS],
    check_specs=[dg.AssetCheckSpec("holds", asset=name) for name in ASSETS],
)
def planned() -> Iterator[dg.MaterializeResult[None]]:
    for name in ASSETS:
        yield dg.MaterializeResult(name, check_results=[dg.AssetCheckResult(passed=True, asset_key=name)])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of Dagster as a clone has it."""
    shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    return tmp_path


def run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return dg.materialize([planned], instance=instance, run_config=quiet)


def told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str | None]]:
    """What happened in a run and to which asset, in order."""
    events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
    return [
        (happened.event_type_value, happened.asset_key.to_user_string() if happened.asset_key else None)
        for happened in events
    ]


@pytest.mark.usefixtures("home")
def test_what_a_run_plans_is_stored_with_one_commit_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    committed: list[str] = []

    def commit(connection: Connection) -> None:
        committed.append(str(connection.engine.url.database))

    def commits(instance: dg.DagsterInstance) -> int:
        committed.clear()
        run(instance)
        return len(committed)

    event.listen(Engine, "commit", commit)
    with dg.DagsterInstance.get() as instance:
        run(instance)
        batched = commits(instance)
        monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
        single = commits(instance)
    event.remove(Engine, "commit", commit)
    # One in the run and one in the index for each planned asset, and for each planned check its state besides; of the
    # batch there are two, and two to see that its databases are there.
    assert single - batched == (2 + 3) * len(ASSETS) - 4


def test_a_batch_leaves_what_dagsters_own_storage_leaves(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        batched = run(instance)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "0")
    with dg.DagsterInstance.get() as instance:
        assert not isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        single = run(instance)
        # The history is the same, whichever storage wrote it.
        assert told(instance, batched.run_id) == told(instance, single.run_id)
        key = dg.AssetCheckKey(dg.AssetKey("asset_7"), "holds")
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
        assert [(record.run_id, record.status.value) for record in records] == [
            (single.run_id, "SUCCEEDED"),
            (batched.run_id, "SUCCEEDED"),
        ]


@pytest.mark.usefixtures("home")
def test_a_batch_that_cannot_be_stored_leaves_nothing() -> None:
    with dg.DagsterInstance.get() as instance:
        first = run(instance)
        storage = instance.event_log_storage
        entries = instance.all_logs(first.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
        before = told(instance, first.run_id)
        with pytest.raises(AttributeError):
            storage.store_event_batch([*entries, "no event"])  # type: ignore[list-item]
        assert told(instance, first.run_id) == before
        assert len(instance.fetch_materializations(dg.AssetKey("asset_7"), limit=9).records) == 1
        storage.store_event_batch(entries)
        assert len(instance.fetch_materializations(dg.AssetKey("asset_7"), limit=9).records) == 2
