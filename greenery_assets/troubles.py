"""Faults of the machine, in one sentence with cause and remedy. It holds no data, so Slack may show it.

Belongs here: disk, rights, memory, damaged and locked databases, killed processes, distinguished by an error's type and
code and by what the system says of a file. An error's own text is never read: it may quote a row, and it is no
interface. Faults of a source belong to landing. Imports no Dagster.
"""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from greenery_assets.warehouse import BROKEN_PLACE, OutOfMemory

# Below this a database can no longer be trusted to find room for its next change.
LEAST_FREE_BYTES = 100_000_000

FULL = "The disk that holds {where} is full: make room there, and run again."
DENIED = "The user that runs this may not read or write {where}: grant access to it, and run again."
READ_ONLY = "The file system that holds {where} is read-only: have it mounted for writing, or set another place."
OUT_OF_LIMIT = (
    "DuckDB ran out of the memory that GREENERY_MEMORY_LIMIT allows, or of disk for what did not fit: raise it, or "
    "make room on the disk, and run again."
)
MEMORY = "Memory ran out: end other programs, or set GREENERY_MEMORY_LIMIT lower, and run again."
DAMAGED = "{where} is damaged: put the copy of a backup in its place, or move it away to have a new one made."
LOCKED = "{where} is in use by another program: close it there or wait until it is done, and run again."
NO_DATABASE = "{where} cannot be opened as a database: look whether it is there, and whether it is a file."
BROKEN_DISK = "The disk that holds {where} reports faults: look into the system's log, and move it to another disk."
FILES = "Too many files are open: end other programs, or raise the limit (ulimit -n), and run again."
GONE = "{where} is not there: put it back, or set another place."
UNREACHABLE = "The database server refuses connections or shuts down: look whether it is up, and run again."

_BY_ERRNO: Mapping[int, str] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EACCES: DENIED,
    errno.EPERM: DENIED,
    errno.EROFS: READ_ONLY,
    errno.ENOMEM: MEMORY,
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.EIO: BROKEN_DISK,
    errno.ENOENT: GONE,
}
_BY_SQLITE: Mapping[int, str] = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_PERM: DENIED,
    sqlite3.SQLITE_READONLY: DENIED,
    sqlite3.SQLITE_NOMEM: MEMORY,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CANTOPEN: NO_DATABASE,
    sqlite3.SQLITE_IOERR: BROKEN_DISK,
}
# PostgreSQL's SQLSTATE, by its longest known beginning.
_BY_SQLSTATE: Mapping[str, str] = {
    "53100": FULL,
    "53200": MEMORY,
    "42501": DENIED,
    "25006": READ_ONLY,
    "55P03": LOCKED,
    "58030": BROKEN_DISK,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "57P": UNREACHABLE,
    "08": UNREACHABLE,
    "53300": UNREACHABLE,
}


def explain(error: BaseException, path: Path | None = None) -> str | None:
    """Cause and remedy of an error, or of the error behind it; None if the machine did not cause it.

    `path` is our file or folder that was in use. Only a name that begins with it is shown (also
    `greenery.duckdb.wal`): the name of another file may be a person's.
    """
    for each in _chain(error):
        if cause := _explain(each, path):
            return cause
    return None


def fault_of(path: Path) -> str | None:
    """What is wrong with one of our files or with its folder, as the system reports it; None if nothing is."""
    where = str(path)
    folder = path if path.is_dir() else path.parent
    try:
        state = os.statvfs(folder)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return _explain(error, folder)
    if state.f_flag & os.ST_RDONLY:
        return READ_ONLY.format(where=where)
    if not os.access(folder, os.W_OK | os.X_OK) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
        return DENIED.format(where=where)
    if free < LEAST_FREE_BYTES:
        return f"The disk that holds {where} has only {free // 1_000_000:,} MB left: make room there, and run again."
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, None if each.__suppress_context__ else each.__context__]


def _explain(error: BaseException, path: Path | None) -> str | None:
    where = _named(error, path)
    match error:
        case MemoryError() | OutOfMemory():
            return MEMORY if isinstance(error, MemoryError) else OUT_OF_LIMIT
        case OSError(errno=int(code)):
            # The system's word for a code holds no data.
            other = f"The operating system reports an error on {{where}} ({os.strerror(code)})."
            return _BY_ERRNO.get(code, other).format(where=where)
        case sqlite3.Error():
            # The lowest byte is the code, the rest distinguishes cases of it.
            # An error that Python's own module raised has none.
            cause = _BY_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
            return cause.format(where=_capital(where)) if cause else None
        case subprocess.CalledProcessError(returncode=int(status)) if status < 0:
            return killed(-status)
    if isinstance(error, BROKEN_PLACE):
        # Without a code: the system says what is wrong with the file, if it is that.
        return fault_of(path) if path else None
    state = getattr(error, "pgcode", None)
    cause = next((_BY_SQLSTATE[state[:n]] for n in (5, 3, 2) if state[:n] in _BY_SQLSTATE), None) if state else None
    return cause.format(where="the database") if cause else None


def killed(number: int) -> str:
    """The message about a process that a signal ended."""
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return f"A process of the run was killed ({name}), mostly because memory ran out: {MEMORY.partition(': ')[2]}"
    return f"A process of the run was ended by a signal ({name}): run again."


def _named(error: BaseException, path: Path | None) -> str:
    """The file that an error is about, as far as it is ours."""
    name = getattr(error, "filename", None)
    if name is None:
        return str(path) if path else "a file or database of the project"
    ours = path is not None and str(name).startswith(str(path))
    return str(name) if ours else "a file that the run needs"


def _capital(where: str) -> str:
    return where if where.startswith("/") else where[0].upper() + where[1:]
