"""A copy of a DuckDB file that others may have open. A server has tools of its own for that."""

import shutil
from pathlib import Path

import duckdb

from greenery_assets.warehouse.duckdb import wal
from greenery_assets.warehouse.errors import WarehouseBusyError, named


def copy_file(path: Path, to: Path) -> None:
    """Copy a DuckDB file, with what DuckDB had not written into it yet. Who has it open is no hindrance.

    Raises WarehouseBusyError where somebody writes to it meanwhile: the copy is of no use then.
    """
    before = _state(path)
    shutil.copyfile(path, to)
    if wal(path).exists():
        shutil.copyfile(wal(path), wal(to))
    if _state(path) != before:
        raise WarehouseBusyError(f"The warehouse {named(path)} was written to while it was copied; try again.")
    if wal(to).exists():
        # A killed run left it, or a client writes. DuckDB puts it into the file when that is closed.
        duckdb.connect(to).close()


def _state(path: Path) -> list[tuple[int, int, int]]:
    states = [file.stat() for file in (path, wal(path)) if file.exists()]
    return [(state.st_mtime_ns, state.st_ino, state.st_size) for state in states]
