"""A copy of a warehouse that is a DuckDB file. A server has tools of its own for that."""

import shutil
from pathlib import Path

from greenery_assets.warehouse.engines import transaction
from greenery_assets.warehouse.errors import WarehouseBusyError, named


def copy_file(path: Path, to: Path) -> None:
    """Copy a DuckDB file, with what DuckDB had not written into it yet. Programs that read it are no hindrance.

    Raises WarehouseBusyError where somebody writes to it meanwhile: the copy is of no use then. Else as `transaction`.
    """
    rest = path.with_name(f"{path.name}.wal")
    if rest.exists():
        with transaction(path):
            pass  # a killed run left it; DuckDB writes all into the file when that is closed
    before = path.stat()
    shutil.copyfile(path, to)
    after = path.stat()
    if rest.exists() or (before.st_mtime_ns, before.st_ino) != (after.st_mtime_ns, after.st_ino):
        raise WarehouseBusyError(f"The warehouse {named(path)} was written to while it was copied; try again.")
