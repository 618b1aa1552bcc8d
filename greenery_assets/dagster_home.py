"""Dagster's own files: opening its history, and whether dagster.yaml and its databases can be used.

Here: what is wrong with them, in one sentence. Not here: our tables and the alert ledger.
"""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from filelock import FileLock
from sqlalchemy.exc import DBAPIError

from greenery_assets.settings import is_writable

if TYPE_CHECKING:
    import dagster as dg

RUNBOOK = 'docs/runbook.md, "Dagster\'s history cannot be opened", has the rest.'
DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
# Where Dagster notes the version of a database.
VERSIONS = "alembic_version"
# By SQLite's primary result code. What is only busy is not broken.
REASONS = {
    sqlite3.SQLITE_PERM: "cannot be written; change its rights",
    sqlite3.SQLITE_IOERR: "cannot be read from the disk; look at the disk, and restore a copy",
    sqlite3.SQLITE_CORRUPT: "is damaged; restore a copy, or move it away to begin without a history",
    sqlite3.SQLITE_FULL: "cannot grow, as the disk is full; make room",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; look whether it is a file, and at its rights and its folder's",
    sqlite3.SQLITE_READONLY: "is read-only; change its rights, or its disk's",
    sqlite3.SQLITE_NOTADB: "is no database; restore a copy, or move it away to begin without a history",
}
PRIMARY_CODE = 0xFF
NEAR_FULL = 1_000_000  # bytes
# What the project's dagster.yaml named until Dagster's own storage took its place.
FORMER_STORAGE = "greenery_assets.storage"


class DagsterHomeError(Exception):
    """Dagster's own files cannot be used; the text names the file, the cause and the remedy."""


def check_home(home: Path) -> None:
    """Raise DagsterHomeError if dagster.yaml or a database of the history in this folder cannot be used."""
    _check_configuration(home / "dagster.yaml")
    for name in DATABASES:
        _check_database(home / name)


@contextmanager
def open_history(home: Path) -> "Iterator[dg.DagsterInstance]":
    """Dagster's instance of DAGSTER_HOME, which is `home`.

    Where there is none yet, one program at a time makes it. Two at once leave databases behind that each note two
    versions, which no Dagster opens again.
    """
    # It takes seconds, and a mistake in a file is found without it.
    from dagster import DagsterInstance  # noqa: PLC0415

    with FileLock(home / "history.lock"):
        instance = DagsterInstance.get()
    with instance:
        yield instance


def history_error(error: Exception, home: Path) -> DagsterHomeError | None:
    """The cause of a database error that Dagster raised from its history; None for any other error."""
    if not isinstance(error, DBAPIError):
        return None
    try:
        check_home(home)
    except DagsterHomeError as found:
        return found
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return _unusable(home, cause.sqlite_errorcode)
    return DagsterHomeError(
        f"Dagster's history cannot be used: its database answers with {type(cause).__name__}; look whether it runs, "
        f"and at storage in {home / 'dagster.yaml'}. {RUNBOOK}"
    )


def _check_configuration(file: Path) -> None:
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise _no_configuration(file, f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise _no_configuration(file, "is not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise _no_configuration(file, f"is no YAML{line}: {error.problem}") from None
    except yaml.YAMLError:
        raise _no_configuration(file, "is no YAML") from None
    if found is not None and not isinstance(found, dict):
        raise _no_configuration(file, "is no list of settings by name")
    storage = (found or {}).get("event_log_storage")
    if isinstance(storage, dict) and storage.get("module") == FORMER_STORAGE:
        raise DagsterHomeError(
            f"{file} names {FORMER_STORAGE}, which is no more: remove the three lines of event_log_storage. Dagster's "
            "own storage goes on with the same history."
        )


def _no_configuration(file: Path, cause: str) -> DagsterHomeError:
    return DagsterHomeError(f"{file} {cause}; correct it, or move it away to have the project's own again.")


def _check_database(file: Path) -> None:
    if not file.exists():
        return
    versions = []
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            if (VERSIONS,) in connection.execute("select name from sqlite_master").fetchall():
                versions = connection.execute(f"select * from {VERSIONS}").fetchall()
    except sqlite3.Error as error:
        if error.sqlite_errorcode & PRIMARY_CODE in REASONS:
            raise _unusable(file, error.sqlite_errorcode) from None
    if len(versions) > 1:
        raise _unusable(file, sqlite3.SQLITE_CORRUPT)
    # SQLite opens what it cannot write without a word.
    for place in (file, file.parent):
        if not is_writable(place):
            raise _unusable(place, sqlite3.SQLITE_READONLY)


def _unusable(file: Path, code: int) -> DagsterHomeError:
    # On a full disk SQLite cannot even begin to read, where it has to write beside the database first.
    if code & PRIMARY_CODE == sqlite3.SQLITE_IOERR and shutil.disk_usage(file.parent).free < NEAR_FULL:
        code = sqlite3.SQLITE_FULL
    reason = REASONS.get(code & PRIMARY_CODE, f"gives SQLite's error {code}; look at its disk")
    return DagsterHomeError(f"Dagster's history cannot be opened: {file} {reason}. {RUNBOOK}")
