"""A small contract with every type, and a folder to write sources into."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from greenery_assets.landing import Column, LoadedTable, TableContract, load

ITEMS = TableContract(
    "items",
    (
        Column("item_id", "uuid"),
        Column("name", "text"),
        Column("created_at", "timestamp"),
        Column("price", "decimal(18,2)"),
        Column("pieces", "bigint"),
    ),
)
NOTES = TableContract("notes", (Column("note", "text"), Column("n", "bigint")), last_line_may_be_open=True)
CONTRACTS: Mapping[str, TableContract] = {"items": ITEMS, "notes": NOTES}

HEADER = "item_id,name,created_at,price,pieces"
ID = "5c357e7e-2b8d-4a59-ae41-816f8e5f45d6"
ROW = f"{ID},Pothos,2021-02-10T00:00:05Z,30.50,40"


class Landing:
    """A source folder and a warehouse file, with the few questions tests ask of them."""

    def __init__(self, folder: Path) -> None:
        self.sources = folder / "sources"
        self.sources.mkdir()
        self.warehouse = folder / "made" / "here" / "warehouse.duckdb"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.sources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        # Not as if it were still being written.
        os.utime(path, (time.time() - 3600, time.time() - 3600))
        return path

    def load(self, *tables: str) -> dict[str, LoadedTable]:
        return load(self.warehouse, self.sources, {table: CONTRACTS[table] for table in tables})

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.warehouse), read_only=True) as connection:
            return connection.execute(statement).fetchall()

    def rejects(self) -> list[tuple[Any, ...]]:
        return self.query("select file, line, column_name, reason from quality.rejected_rows")

    def state(self) -> list[list[tuple[Any, ...]]]:
        return [self.query(f"from {name}") for name in ("raw.items", "raw.notes", "quality.rejected_rows")]
