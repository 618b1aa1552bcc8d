"""Dagster's SQLite storage without the cost of opening and committing anew for every event.

Dagster opens and closes a database for each thing it stores. Whoever closes a SQLite database last writes its log back
and deletes it: three times an event, several hundred events a run. A connection that is held beside Dagster's keeps
the log for as long as it is held; what is stored is as safe as before.

What a run plans Dagster hands over at once, and its own SQLite storage takes one by one.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

# Of seconds, as Dagster's own.
BUSY_TIMEOUT = 30
INDEX = "index"


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, in the same files, that stores a batch of events with one commit a database.

    `dagster.yaml` names it; `DAGSTER_EVENT_BATCH_SIZE` has Dagster hand over batches (settings.py).
    """

    def __init__(self, inst_data: Any) -> None:
        # Where its files are it is told with the instance; the rest of what it is made of waits for that.
        self._configured = inst_data
        self._batch = threading.local()

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """It is configured by nothing but its name."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "BatchedSqliteEventLogStorage":  # noqa: ARG003
        """The storage that `dagster.yaml` names."""
        return cls(inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Open the event log where Dagster's own storage has it, in the home of this instance."""
        super().__init__(str(Path(instance.root_directory) / "history" / "runs"), self._configured)
        super().register_instance(instance)

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events with one commit for each database; Dagster stores them one by one where this raises.

        Where only the second commit fails, those in the first are there twice after that.
        """
        shards = [INDEX, *dict.fromkeys(entry.run_id for entry in events)]
        # Each is made when it is opened for the first time, which this storage does itself.
        for shard in shards:
            with self.run_connection(shard):
                pass
        with contextlib.ExitStack() as commits:
            self._batch.connections = {shard: commits.enter_context(self._transaction(shard)) for shard in shards}
            commits.callback(self._batch.connections.clear)
            for entry in events:
                self.store_event(entry)

    def run_connection(self, run_id: str | None = None) -> AbstractContextManager[Connection]:
        """A connection to the events of a run: within a batch the one it is stored with."""
        return self._joined(str(run_id)) or super().run_connection(run_id)

    def index_connection(self) -> AbstractContextManager[Connection]:
        """A connection to what is kept across runs: within a batch the one it is stored with."""
        return self._joined(INDEX) or super().index_connection()

    def _joined(self, shard: str) -> AbstractContextManager[Connection] | None:
        connections: Mapping[str, Connection] = getattr(self._batch, "connections", {})
        return contextlib.nullcontext(connections[shard]) if shard in connections else None

    @contextlib.contextmanager
    def _transaction(self, shard: str) -> Iterator[Connection]:
        engine = create_engine(
            self.conn_string_for_shard(shard), poolclass=NullPool, connect_args={"timeout": BUSY_TIMEOUT}
        )
        with engine.begin() as connection:
            yield connection


@contextlib.contextmanager
def databases_kept_open() -> Iterator[None]:
    """Hold every SQLite database open that this process opens with SQLAlchemy within the block."""
    held: dict[str, sqlite3.Connection] = {}

    def hold(connection: object, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        for _number, name, path in connection.execute("pragma database_list").fetchall():
            if name == "main" and path and path not in held:
                held[path] = sqlite3.connect(path, check_same_thread=False)
                # It is only connected once it has read something.
                held[path].execute("pragma schema_version").fetchone()

    event.listen(Engine, "connect", hold)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hold)
        for connection in held.values():
            connection.close()
