"""DuckDB: one file, opened by one writer or by readers, and replaced by renaming.

Here: the way to open, write and replace it, and the cause of a failure, found in the file, its lock and its disk: never
in the text of DuckDB's error. Not here: what is in the warehouse (loads.py).
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import duckdb
from packaging.version import InvalidVersion, Version

from greenery_assets.settings import WORKING, schemas
from greenery_assets.warehouse.errors import (
    WarehouseBusyError,
    WarehouseCorruptError,
    WarehouseError,
    WarehouseMissingError,
    named,
)

DuckDB = duckdb.DuckDBPyConnection
DatabaseError = duckdb.Error
Interrupted = duckdb.InterruptException
OutOfMemory = duckdb.OutOfMemoryException
NOT_BUILT = (duckdb.CatalogException, duckdb.BinderException)
"""A query names a table or column that is not there: no run has built it, or one of another version did."""
BROKEN_PLACE = (duckdb.OperationalError, duckdb.FatalException, duckdb.InternalError)
"""Its file, its disk or the machine may be at fault."""

# What the file may not be called either: a name such as main.users would mean two things in main.duckdb.
_RESERVED = frozenset({"main", "temp", "system", "memory", "information_schema", "pg_catalog"})

_NAME_ANOTHER = "name another file in GREENERY_WAREHOUSE_PATH"

# Between the tries to open a file that nobody has locked.
_PAUSES_S = (0.1, 0.4)

_NEAR_FULL = 16_000_000  # bytes; DuckDB grows a file by a block at a time, and leaves less than one

# From byte 52 stands the release that wrote the file: https://duckdb.org/docs/internals/storage
_KIND, _RELEASE = slice(8, 12), slice(52, 84)


def open_for_reading(path: Path) -> DuckDB:
    """Open the warehouse for reading only. Use as a context manager: while it is open nobody can write.

    Raises WarehouseMissingError where there is none yet, else as `transaction`.
    """
    if not path.exists():
        raise WarehouseMissingError(f"The warehouse {named(path)} is not there; make it with make run.")
    return _open(path, is_written=False)


@contextmanager
def transaction(path: Path, set_aside: Path | None = None) -> Iterator[DuckDB]:
    """The warehouse at `path`, made if it is not there; what is done within holds wholly or not at all.

    With `set_aside` that is a new one, which takes the place of the present one; that has the name `set_aside` then.

    Raises WarehouseBusyError when another program has it open, WarehouseCorruptError when it is not whole, and
    WarehouseError when it cannot be opened, read or written for another reason.
    """
    with _replacing(path, set_aside) as target, _written(target) as connection:
        yield connection


def append(connection: DuckDB, relation: str, columns: Sequence[Sequence[object]]) -> None:
    """Adds rows, given by their columns, to a relation."""
    connection.execute(f"insert into {relation} select {', '.join(['unnest(?)'] * len(columns))}", [*columns])


@contextmanager
def _written(path: Path) -> Iterator[DuckDB]:
    _prepare_place(path)
    with _open(path, is_written=True) as connection, worded(path):
        connection.begin()
        try:
            yield connection
        except BaseException:
            with suppress(duckdb.Error):  # what broke the transaction may have ended it
                connection.rollback()
            raise
        connection.commit()


@contextmanager
def worded(path: Path) -> Iterator[None]:
    """Turns what DuckDB and the disk refuse into WarehouseError; a fault of our SQL, or of a value, passes."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise WarehouseError(
            f"DuckDB ran out of memory, or of disk space beside the warehouse {named(path)}. Raise "
            "GREENERY_MEMORY_LIMIT, or make room on the disk."
        ) from error
    except (duckdb.ProgrammingError, duckdb.DataError):
        raise
    except (duckdb.Error, OSError) as error:
        # What DuckDB finds broken in the file it raises as no class of its own.
        fault = _damaged(path) if type(error) is duckdb.Error else _unexpected(path, error)
        raise (_of_the_disk(path, is_written=True) or fault) from error


def scratch(path: Path | str = ":memory:", memory_limit: str = "80%") -> DuckDB:
    """A new database that is no warehouse: a place to work in."""
    return duckdb.connect(path, config={"memory_limit": memory_limit})


@contextmanager
def _replacing(path: Path, set_aside: Path | None) -> Iterator[Path]:
    if set_aside is None:
        yield path
        return
    new = _beside(path, "unfinished")
    new.unlink(missing_ok=True)
    try:
        yield new
        _rename((path, set_aside), (new, path))
    finally:
        new.unlink(missing_ok=True)
        wal(new).unlink(missing_ok=True)


def spare_name(path: Path, what: str) -> Path:
    """A name beside the warehouse that no file has yet."""
    names = (_beside(path, what if number == 1 else f"{what}-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _beside(path: Path, what: str) -> Path:
    # DuckDB names a database after its file up to the first dot, and dbt's views hold that name.
    name = Path(path.name.removesuffix(WORKING))
    return path.with_name(f"{name.stem}.{what}{name.suffix}")


def wal(path: Path) -> Path:
    """What DuckDB has not written into the file yet."""
    return path.with_name(f"{path.name}.wal")


def _rename(*moves: tuple[Path, Path]) -> None:
    done: list[tuple[Path, Path]] = []
    try:
        for path, target in [pair for one, to in moves for pair in ((wal(one), wal(to)), (one, to))]:
            if path.exists():
                path.rename(target)
                done.append((path, target))
    except OSError as error:
        # Without a file of its name the next run would begin a warehouse from any source.
        for moved, to in reversed(done):
            to.rename(moved)
        raise WarehouseError(
            f"{path} cannot be renamed to {target} ({error.strerror}), so the warehouse {moves[0][0]} is as it was; "
            "allow that, or name another file in GREENERY_WAREHOUSE_PATH."
        ) from error


def _prepare_place(path: Path) -> None:
    catalog = path.name.lstrip(".").split(".")[0]
    odd = next((letter for letter in str(path) if letter in "#?;" or not letter.isprintable()), None)
    if odd or catalog.casefold() in _RESERVED | schemas():
        what = f"holds {odd!r}, which dbt does not take" if odd else f"has the name {catalog}, as a schema in it has"
        raise WarehouseError(f"The path of the warehouse {named(path)} {what}; {_NAME_ANOTHER}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WarehouseError(
            f"The folder {named(path.parent)} of the warehouse cannot be opened ({error.strerror}); grant access to "
            f"it, or {_NAME_ANOTHER}."
        ) from error


def _open(path: Path, *, is_written: bool) -> DuckDB:
    # DuckDB opens a CSV file as well, as a database in memory that is gone when it is closed. Not looked at before each
    # reading: to close any handle of a file drops all of a process's locks on it, DuckDB's among them.
    if is_written and _start(path)[_KIND] not in (b"DUCK", b""):
        raise _no_warehouse(path)
    for pause in (*_PAUSES_S, None):
        try:
            connection = duckdb.connect(str(path), read_only=not is_written)
            break
        except duckdb.ConnectionException as error:  # this process has it open already, in the other way
            raise _unexpected(path, error) from error
        except (duckdb.Error, OSError) as error:
            if cause := _of_the_disk(path, is_written=is_written) or _of_a_lock(path, is_written=is_written):
                raise cause from error
            if pause is None:
                raise _of_the_file(path, error) from error
            # Who had it open may have closed it meanwhile: a healthy file must not be called damaged.
            time.sleep(pause)
    # Otherwise times have the zone of the machine, or of TZ.
    connection.execute("set TimeZone = 'UTC'")
    return connection


def _no_warehouse(path: Path) -> WarehouseError:
    return WarehouseError(
        f"The warehouse {named(path)} is not a DuckDB file; name another file, or move this one away to "
        "have a new one made."
    )


def _start(path: Path) -> bytes:
    """The first bytes of the file; none where there is none to be read."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(_RELEASE.stop)
    return b""


def _of_the_disk(path: Path, *, is_written: bool) -> WarehouseError | None:
    try:
        if path.is_dir():
            return WarehouseError(f"The warehouse {named(path)} is a folder; {_NAME_ANOTHER}.")
        wanted = os.W_OK if is_written else 0
        for place, right in ((path, os.R_OK), (path.parent, os.X_OK)):
            if place.exists() and not os.access(place, right | wanted):
                return WarehouseError(
                    f"{named(place)} may not be {'written' if is_written else 'read'}, so the warehouse cannot be "
                    f"opened; grant access to it, or {_NAME_ANOTHER}."
                )
        if is_written and shutil.disk_usage(path.parent).free < _NEAR_FULL:
            return WarehouseError(
                f"The disk of the warehouse {named(path)} is full; make room. The tables loaded last are as they were."
            )
    except OSError as error:
        return WarehouseError(f"The warehouse {named(path)} cannot be opened: {error.strerror}.")
    return None


def _of_a_lock(path: Path, *, is_written: bool) -> WarehouseError | None:
    # DuckDB failed to open it just now, and closed it: this process has no lock on it to lose.
    try:
        with path.open("r+b" if is_written else "rb") as file:
            fcntl.lockf(file, (fcntl.LOCK_EX if is_written else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return WarehouseBusyError(
                f"The warehouse {named(path)} is open in another program; close it there, or wait until it is done, "
                f"and run again.{_holder(path)}"
            )
    return None


def _holder(path: Path) -> str:
    """Which program has a lock on the file, as far as this system shows."""
    with suppress(OSError, ValueError, StopIteration):  # not Linux, or it has just ended
        state = path.stat()
        file = f"{os.major(state.st_dev):02x}:{os.minor(state.st_dev):02x}:{state.st_ino}"
        fields = next(line.split() for line in Path("/proc/locks").read_text().splitlines() if file in line.split())
        pid = int(fields[fields.index(file) - 1])
        return f" The program is {Path(f'/proc/{pid}/comm').read_text().strip()}, PID {pid}."
    return ""


def _of_the_file(path: Path, error: Exception) -> WarehouseError:
    start = _start(path)
    if start[_KIND] not in (b"DUCK", b""):
        return _no_warehouse(path)
    writer = start[_RELEASE].rstrip(b"\0").decode("ascii", "replace")
    with suppress(InvalidVersion):
        if Version(writer) > Version(duckdb.__version__):
            return WarehouseError(
                f"The warehouse {named(path)} was written by a newer DuckDB ({named(writer)}; this is "
                f"{duckdb.__version__}); install that version, or restore the file from before it."
            )
    # Encrypted, for one: not a fault of its bytes.
    return _unexpected(path, error) if isinstance(error, duckdb.ProgrammingError) else _damaged(path)


def _damaged(path: Path) -> WarehouseError:
    also = f", or {named(wal(path))}, which belongs to it, is another file's" if wal(path).exists() else ""
    return WarehouseCorruptError(
        f"The warehouse {named(path)} is damaged: not all of it can be read{also}. Move it away, or put a backup in "
        "its place, and run again. The run loads and builds everything again, and takes the history in schema "
        "snapshots from the published file. See docs/runbook.md, The warehouse is damaged."
    )


def _unexpected(path: Path, error: Exception) -> WarehouseError:
    # The first line, and only where it can hold no row.
    has_no_row = isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.TransactionException | OSError)
    text = str(error).splitlines()[0] if has_no_row and str(error) else ""
    return WarehouseError(
        f"The warehouse {named(path)} cannot be used ({type(error).__name__}{': ' if text else ''}{text}); the tables "
        "loaded last are as they were."
    )
