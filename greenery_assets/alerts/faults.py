"""What is wrong with the ledger's database, by its error code: where it is, the cause, and what to do.

Words only, for whoever runs the project. Opening a ledger is schema's business.
"""

import socket
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

LONGEST_KNOCK_S = 2
POSTGRES_PORT = 5432

_RESTORE = (
    "Put a backup in its place, or move it away: the alerts then begin again with one summary of what fails, and what "
    "waited to be sent is lost"
)
_WHO = "Correct user, password and database in GREENERY_ALERTS_LEDGER"
_START = "Start the server, or correct host and port in GREENERY_ALERTS_LEDGER"
_DISK_FULL = ("its disk is full", "Free some space there")
_RIGHTS = ("this user may not write it", "Let this user write the file and its folder")
_DAMAGED = ("it is damaged", _RESTORE)

SQLITE: Mapping[int, tuple[str, str]] = {
    sqlite3.SQLITE_BUSY: (
        "another program has it locked",
        "Close the program that has it open, such as a database browser, and run again",
    ),
    sqlite3.SQLITE_LOCKED: ("another program has it locked", "Close the program that has it open, and run again"),
    sqlite3.SQLITE_FULL: _DISK_FULL,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_AUTH: _RIGHTS,
    sqlite3.SQLITE_CANTOPEN: ("this user may not open it", "Let this user read and write the file and its folder"),
    sqlite3.SQLITE_IOERR: ("its disk cannot be read or written", "Look whether the disk is full, failing or gone"),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: ("it is damaged, or no SQLite database", _RESTORE),
}
# By SQLSTATE, or by its class: the first two characters.
POSTGRES: Mapping[str, tuple[str, str]] = {
    "28": ("the server refuses the login", _WHO),
    "3D": ("the database does not exist", f"{_WHO}, or create it"),
    "08": ("the connection broke", _START),
    "53100": ("the server's disk is full", "Free some space there"),
    "53": ("the server has no room for more connections", "Wait, or raise its limit"),
    "57P": ("the server is starting or stopping", "Wait until it is there again"),
    "55": ("another program has it locked", "End the session that holds the lock, and run again"),
    "40": ("another program has it locked", "Run again"),
    "25006": ("the server takes no writes", "Name a server that is no standby in GREENERY_ALERTS_LEDGER"),
    "42501": (
        "this user may not use its schema",
        "Have the database's owner run: create schema greenery_alerts authorization {user}; or let this user use it",
    ),
    "42P01": ("some of its tables are gone", "Restore the schema greenery_alerts from a backup, or drop it"),
    "58": ("the server cannot read or write its disk", "Look at the server's log"),
    "XX": ("it is damaged", "Look at the server's log, and restore the schema greenery_alerts from a backup"),
}


def code_of(error: BaseException) -> int | str | None:
    """The database's code for an error: SQLite's number or an SQLSTATE; None where there is neither."""
    cause = getattr(error, "orig", None) or error
    number = getattr(cause, "sqlite_errorcode", None)
    # The lowest byte is the kind, the rest its variety.
    return number & 0xFF if number is not None else getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None)


def is_known(error: BaseException) -> bool:
    """Whether an error is one of the database's faults that have words."""
    code = code_of(error)
    return code in SQLITE if isinstance(code, int) else _postgres(code) is not None


def in_words(error: SQLAlchemyError, address: URL) -> str:
    """The cause and the remedy, as two sentences."""
    code = code_of(error)
    if isinstance(code, int):
        found = _sqlite(code, Path(address.database or ""))
    elif getattr(error, "connection_invalidated", False):
        found = POSTGRES["08"]
    elif code is None and address.get_backend_name() == "postgresql":
        found = _not_connected(address)
    else:
        found = _postgres(code)
    if found is None:
        name = getattr(getattr(error, "orig", None), "sqlite_errorname", None) or code or type(error).__name__
        found = f"the database reports {name}", "Look at the database, or name another one in GREENERY_ALERTS_LEDGER"
    cause, remedy = found
    return f"{cause}. {remedy.format(user=address.username or 'this_user')}."


def _sqlite(code: int, file: Path) -> tuple[str, str] | None:
    if code == sqlite3.SQLITE_CANTOPEN:
        if file.is_dir():
            return "it is a folder", "Move the folder away, or name a file in GREENERY_ALERTS_LEDGER"
        if not file.parent.is_dir():
            return "its folder does not exist", "Make the folder, or name another file in GREENERY_ALERTS_LEDGER"
    return SQLITE.get(code)


def _postgres(code: object) -> tuple[str, str] | None:
    text = str(code or "")
    return POSTGRES.get(text) or POSTGRES.get(text[:3]) or POSTGRES.get(text[:2])


def _not_connected(address: URL) -> tuple[str, str]:
    """Why there is no connection: of that PostgreSQL's client gives no code."""
    if address.host and not address.host.startswith("/"):
        try:
            socket.create_connection((address.host, address.port or POSTGRES_PORT), LONGEST_KNOCK_S).close()
        except OSError as error:
            return f"no server answers there ({error.strerror or type(error).__name__})", _START
        return "the server refuses the login", _WHO
    return "the server does not answer, or refuses the login", f"{_START}, user and password"
