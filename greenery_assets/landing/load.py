"""Landing: a source folder, held against its contract, into schema raw of the warehouse.

Here: the order of things, and what is reported of each table. Not here: any of the steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.files import find_files
from greenery_assets.landing.parquet import can_stay_in_place, in_place_query, out_of_years
from greenery_assets.landing.rejects import Reject
from greenery_assets.landing.shapes import Shape, read_shapes
from greenery_assets.landing.typed import blaming, fill
from greenery_assets.landing.warehouse import Warehouse, transaction


@dataclass(frozen=True)
class LoadedTable:
    """What landed of one table.

    `rows` are in the warehouse, `rejected_rows` are not; `files` are names relative to the source
    folder; `bytes` is their size; `newest` is the latest created_at (naive UTC), None where the table has
    no such column or no value in it; `extra_columns` are those no contract asked for, sorted;
    `read_in_place` tells a view over Parquet from a table.
    """

    table: str
    rows: int
    rejected_rows: int
    files: tuple[str, ...]
    bytes: int
    newest: datetime | None
    extra_columns: tuple[str, ...]
    read_in_place: bool


def load(warehouse: Path, source_dir: Path, contracts: Mapping[str, TableContract]) -> dict[str, LoadedTable]:
    """Replaces raw.<table> for every given contract, and these tables' rows of the two quality tables.

    All tables are replaced or, on any error, none. The columns of raw.<table> have the contract's names,
    order and types (timestamps naive UTC; an empty field is null, quoted or not). quality.rejected_rows
    has one row for each source row set aside: source_table, file (relative to the source folder), line
    (from 1: a CSV file's physical line, a Parquet file's row), column_name (all faulty columns, comma
    separated; null where the row has too few or too many fields), reason and raw_text. quality.extra_columns
    has one row for each column that no contract asked for: source_table, column_name.

    Raises SourceError when the folder or a file in it is not what the contract asks for,
    WarehouseBusyError when another program has the warehouse open, and WarehouseError when it cannot be
    opened.
    """
    source_dir = source_dir.absolute()  # views keep the paths
    shapes = {table: read_shapes(paths, contracts[table]) for table, paths in find_files(source_dir, contracts).items()}
    loaded: dict[str, LoadedTable] = {}
    rejects: dict[str, list[tuple[str, Reject]]] = {}
    with transaction(warehouse) as opened:
        for table, of_table in shapes.items():
            loaded[table], rejects[table] = _land(opened, source_dir, contracts[table], of_table)
        opened.replace_rejects(rejects)
        opened.replace_extra_columns({name: table.extra_columns for name, table in loaded.items()})
    return loaded


def _land(
    warehouse: Warehouse, source_dir: Path, contract: TableContract, shapes: Sequence[Shape]
) -> tuple[LoadedTable, list[tuple[str, Reject]]]:
    names = {shape.path: shape.path.relative_to(source_dir).as_posix() for shape in shapes}
    target = warehouse.make_room(contract.name)
    in_place = can_stay_in_place(contract, shapes)
    if in_place:
        with blaming(shapes):
            warehouse.connection.execute(f"create view {target} as {in_place_query(contract, shapes)}")
            rows, newest, strays = _figures(warehouse, target, contract, f"count_if({out_of_years(contract)})")
        if strays:
            warehouse.make_room(contract.name)
            in_place = False
    rejected = []
    if not in_place:
        rejected = fill(warehouse.connection, target, contract, shapes)
        rows, newest, _ = _figures(warehouse, target, contract, "0")
    known = {column.name for column in contract.columns}
    table = LoadedTable(
        table=contract.name,
        rows=rows,
        rejected_rows=len(rejected),
        files=tuple(names.values()),
        bytes=sum(shape.bytes for shape in shapes),
        newest=newest,
        extra_columns=tuple(sorted({name for shape in shapes for name, _ in shape.columns} - known)),
        read_in_place=in_place,
    )
    return table, [(names[shape.path], reject) for shape, reject in rejected]


def _figures(
    warehouse: Warehouse, target: str, contract: TableContract, strays: str
) -> tuple[int, datetime | None, int]:
    has_created_at = any(
        (column.name, column.duckdb_type) == ("created_at", "TIMESTAMP") for column in contract.columns
    )
    newest = "max(created_at)" if has_created_at else "null"
    row = warehouse.connection.execute(
        # An infinite or far timestamp does not fit Python's; `strays` tells of it.
        f"select count(*), case when {strays} = 0 then {newest} end, {strays} from {target}"
    ).fetchone()
    assert row is not None, "an aggregate has one row"
    return row[0], row[1], row[2]
