"""Databases that are held open while a run writes its events."""

import sqlite3
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from greenery_assets.storage import databases_kept_open


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
