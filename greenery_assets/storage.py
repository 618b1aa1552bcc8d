"""Dagster's SQLite storage without the cost of opening it anew for every event.

Dagster opens and closes a database for each thing it stores. Whoever closes a SQLite database last writes its log back
and deletes it: three times an event, several hundred events a run. A connection that is held beside Dagster's keeps
the log for as long as it is held; what is stored is as safe as before.
"""

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy import Engine, event


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
