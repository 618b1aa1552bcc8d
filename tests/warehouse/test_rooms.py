"""Who knows the engine: only the rooms that are made for it, and they know none that lies above them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import greenery_assets

PACKAGE = Path(greenery_assets.__file__).parent
DRIVERS = {"duckdb", "psycopg2", "pyhive", "pyspark"}


def imports(folder: Path) -> Iterator[tuple[Path, str]]:
    """Each module below a folder, by its path in the package, with each name that it imports."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            yield from ((path.relative_to(PACKAGE), name) for name in names)


def test_no_other_room_imports_the_driver_of_a_database() -> None:
    found = {(str(path), name) for path, name in imports(PACKAGE) if name.split(".")[0] in DRIVERS}
    assert {(path, name) for path, name in found if Path(path).parts[0] not in ("warehouse", "landing")} == set()
    assert ("warehouse/duckdb.py", "duckdb") in found, "nothing was looked at"


def test_settings_lie_below_the_warehouse_and_the_warehouse_below_landing() -> None:
    for room, below in (("warehouse", {"warehouse", "settings"}), ("landing", {"landing", "warehouse"})):
        ours = {name.split(".")[1] for _, name in imports(PACKAGE / room) if name.startswith("greenery_assets.")}
        assert ours <= below, room
