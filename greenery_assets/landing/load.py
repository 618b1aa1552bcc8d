"""Landing: a source folder, held against its contract, into schema raw of the warehouse.

Here: the order of things, and what is reported of each table. Not here: any of the steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.files import find_files
from greenery_assets.landing.ledger import LoadedFile, contract_text
from greenery_assets.landing.parquet import can_stay_in_place, in_place_query, literal, out_of_years, quoted
from greenery_assets.landing.rejects import Reject
from greenery_assets.landing.shapes import Shape, read_shapes, reading
from greenery_assets.landing.typed import FILE, blaming, fill
from greenery_assets.landing.warehouse import Warehouse, transaction

# The name of the column with a row's file, in the views of schema landing.
_FILE = "landing_file"


@dataclass(frozen=True)
class LoadedTable:
    """What of a table is in the warehouse.

    `rows` are in the warehouse, `rejected_rows` are not; `files` are names relative to the source folder, of which
    `read_files` were new or had changed; `removed_files` are absolute paths that were loaded before and are gone;
    `bytes` is the files' size; `newest` is the latest created_at (naive UTC), None where the table has no such column
    or no value in it; `extra_columns` are those no contract asked for, sorted; `read_in_place` tells whether all of it
    is Parquet that is read where it lies.
    """

    table: str
    rows: int
    rejected_rows: int
    files: tuple[str, ...]
    read_files: tuple[str, ...]
    removed_files: tuple[str, ...]
    bytes: int
    newest: datetime | None
    extra_columns: tuple[str, ...]
    read_in_place: bool


def load(warehouse: Path, source_dir: Path, contracts: Mapping[str, TableContract]) -> dict[str, LoadedTable]:
    """Brings raw.<table> and its rows of the two quality tables up to date, for every given contract.

    Each file is read once: one that is as it was (path, size, time of change, contract) is left alone, a changed
    one replaces its own rows, the rows of one that is gone go too. All tables are brought up to date or, on any
    error, none. The columns of raw.<table> have the contract's names, order and types (timestamps naive UTC; an
    empty field is null, quoted or not). quality.rejected_rows has one row for each source row set aside:
    source_table, file (relative to the source folder), line (from 1: a CSV file's physical line, a Parquet file's
    row), column_name (all faulty columns, comma separated; null where the row has too few or too many fields), reason
    and raw_text. quality.extra_columns has one row for each column that no contract asked for: source_table,
    column_name. Schema landing keeps the files' versions (see ledger.py), and in landing.<table>_by_file the rows
    with the path of their file, `landing_file`.

    Raises SourceError when the folder or a file in it is not what the contract asks for,
    WarehouseBusyError when another program has the warehouse open, and WarehouseError when it cannot be
    opened.
    """
    source_dir = source_dir.absolute()  # views keep the paths
    found = find_files(source_dir, contracts)
    with transaction(warehouse) as opened:
        opened.ledger.forget_replaced()
        load_id = opened.ledger.next_load()
        loaded = {table: _land(opened, load_id, source_dir, contracts[table], paths) for table, paths in found.items()}
        opened.replace_extra_columns({name: table.extra_columns for name, table in loaded.items()})
    return loaded


def _land(
    warehouse: Warehouse, load_id: int, source_dir: Path, contract: TableContract, paths: Sequence[Path]
) -> LoadedTable:
    known = warehouse.ledger.files(contract.name)
    text = contract_text(contract)
    there = set(paths)
    kept = [file for file in known if file.path in there and file.contract == text and _is_as_it_was(file)]
    unchanged = {file.path for file in kept}
    replaced = [file for file in known if file.path not in unchanged]
    removed = [file for file in replaced if file.path not in there]
    read: list[LoadedFile] = []
    if len(unchanged) < len(paths) or removed or not warehouse.has(contract.name):
        shapes = read_shapes([path for path in paths if path not in unchanged], contract)
        read, figures = _read(warehouse, source_dir, contract, shapes, replaced)
        warehouse.ledger.record(contract.name, load_id, read, {path: found.days for path, found in figures.items()})
        warehouse.ledger.record_removed(contract.name, load_id, removed)
        _show(warehouse, contract, sorted([*kept, *read], key=lambda file: file.path))
    files = sorted([*kept, *read], key=lambda file: file.path)
    columns = {column.name for column in contract.columns}
    return LoadedTable(
        table=contract.name,
        rows=sum(file.rows for file in files),
        rejected_rows=sum(file.rejected for file in files),
        files=tuple(_name(file.path, source_dir) for file in files),
        read_files=tuple(_name(file.path, source_dir) for file in read),
        removed_files=tuple(str(file.path) for file in removed),
        bytes=sum(file.bytes for file in files),
        newest=max((file.newest for file in files if file.newest), default=None),
        extra_columns=tuple(sorted({name for file in files for name, _ in file.columns} - columns)),
        read_in_place=all(file.in_place for file in files),
    )


def _is_as_it_was(file: LoadedFile) -> bool:
    with reading(file.path):
        now = file.path.stat()
    return (now.st_size, now.st_mtime_ns) == (file.bytes, file.modified_ns)


def _name(path: Path, source_dir: Path) -> str:
    return path.relative_to(source_dir).as_posix() if path.is_relative_to(source_dir) else str(path)


@dataclass
class _Figures:
    days: dict[date | None, int]
    newest: datetime | None
    strays: int


def _read(
    warehouse: Warehouse,
    source_dir: Path,
    contract: TableContract,
    shapes: Sequence[Shape],
    replaced: Sequence[LoadedFile],
) -> tuple[list[LoadedFile], Mapping[str, "_Figures"]]:
    """Reads new and changed files, and puts their rows in place of those of the files that are replaced."""
    modified = {}
    for shape in shapes:
        with reading(shape.path):
            modified[shape.path] = shape.path.stat().st_mtime_ns
    candidates = [shape for shape in shapes if can_stay_in_place(contract, [shape])]
    figures: dict[str, _Figures] = {}
    if candidates:
        with blaming(candidates):
            figures = _figures(warehouse, contract, f"({in_place_query(contract, candidates, _FILE)})", _FILE)
    in_place = {shape.path for shape in candidates if not _of(figures, shape).strays}
    others = [shape for shape in shapes if shape.path not in in_place]
    rejected = _fill(warehouse, contract, others, replaced)
    if others:
        figures |= _figures(warehouse, contract, warehouse.landed(contract.name), FILE, others)
    rejects = [(_name(shape.path, source_dir), reject) for shape, reject in rejected]
    names = [_name(path, source_dir) for path in [*(file.path for file in replaced), *modified]]
    warehouse.replace_rejects(contract.name, names, rejects)
    read = [
        LoadedFile(
            path=shape.path,
            bytes=shape.bytes,
            modified_ns=modified[shape.path],
            contract=contract_text(contract),
            columns=shape.columns,
            in_place=shape.path in in_place,
            rows=sum(_of(figures, shape).days.values()),
            rejected=sum(of is shape for of, _ in rejected),
            newest=_of(figures, shape).newest,
        )
        for shape in shapes
    ]
    return read, figures


def _of(figures: Mapping[str, _Figures], shape: Shape) -> _Figures:
    return figures.get(str(shape.path)) or _Figures({}, None, 0)


def _fill(
    warehouse: Warehouse, contract: TableContract, shapes: Sequence[Shape], replaced: Sequence[LoadedFile]
) -> list[tuple[Shape, Reject]]:
    """Brings the landed rows up to date; returns those set aside."""
    connection, landed = warehouse.connection, warehouse.landed(contract.name)
    if any(file.contract != contract_text(contract) for file in replaced):
        connection.execute(f"drop table if exists {landed}")
    columns = ", ".join(f"{quoted(column.name)} {column.duckdb_type}" for column in contract.columns)
    connection.execute(f"create table if not exists {landed} ({columns}, {FILE} varchar)")
    stale = [str(file.path) for file in replaced if not file.in_place]
    if stale:
        connection.execute(f"delete from {landed} where list_contains(?, {FILE})", [stale])
    if not shapes:
        return []
    arriving = f"{warehouse.ledger.schema}.{quoted(contract.name + '_arriving')}"
    rejected = fill(connection, arriving, contract, shapes)
    connection.execute(f"insert into {landed} from {arriving}; drop table {arriving}")
    return [(shape, reject) for shape, reject in rejected]


def _figures(
    warehouse: Warehouse,
    contract: TableContract,
    relation: str,
    file: str,
    shapes: Sequence[Shape] = (),
) -> dict[str, _Figures]:
    """The rows of each file by day of created_at, the newest of them, and how many lie out of the years 1 to 9999."""
    has_created_at = any(
        (column.name, column.duckdb_type) == ("created_at", "TIMESTAMP") for column in contract.columns
    )
    moment = "created_at" if has_created_at else "cast(null as timestamp)"
    stray = f"coalesce({out_of_years(contract)}, false)"
    # An infinite or far timestamp does not fit Python's.
    safe = f"case when not {stray} then {moment} end"
    found: dict[str, _Figures] = {}
    for path, day, count, newest, strays in warehouse.connection.execute(
        f"select {file}, cast({safe} as date), count(*), max({safe}), count_if({stray}) "
        f"from {relation} {f'where list_contains(?, {file})' if shapes else ''} group by all",
        [[str(shape.path) for shape in shapes]] if shapes else [],
    ).fetchall():
        of_file = found.setdefault(path, _Figures({}, None, 0))
        of_file.days[day] = count
        of_file.newest = max(filter(None, (of_file.newest, newest)), default=None)
        of_file.strays += strays
    return found


def _show(warehouse: Warehouse, contract: TableContract, files: Sequence[LoadedFile]) -> None:
    """Makes the views that show a table's rows, without and with their files."""
    names = ", ".join(quoted(column.name) for column in contract.columns)
    landed = warehouse.landed(contract.name)
    plain, with_file = [], []
    # In the order of the files' names, whatever kind they are.
    for is_in_place, group in groupby(files, key=lambda file: file.in_place):
        some = [file.shape for file in group]
        if is_in_place:
            plain.append(in_place_query(contract, some))
            with_file.append(in_place_query(contract, some, _FILE))
        else:
            paths = ", ".join(literal(str(shape.path)) for shape in some)
            where = "" if len(some) == len(files) else f" where {FILE} in ({paths})"
            plain.append(f"select {names} from {landed}{where}")
            with_file.append(f"select {names}, {FILE} as {_FILE} from {landed}{where}")
    connection = warehouse.connection
    connection.execute(f"create view {warehouse.make_room(contract.name)} as {' union all '.join(plain)}")
    connection.execute(f"create or replace view {warehouse.by_file(contract.name)} as {' union all '.join(with_file)}")
