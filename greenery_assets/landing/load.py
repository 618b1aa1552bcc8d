"""Landing: a source folder, held against its contract, into schema raw of the warehouse.

Here: the order of things, and what is reported of each table. Not here: any of the steps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.errors import LoadRefusedError, SourceError, WarehouseError
from greenery_assets.landing.files import find_files, identity, named
from greenery_assets.landing.ledger import Arrival, LoadedFile, contract_text, files_in_place
from greenery_assets.landing.parquet import can_stay_in_place, in_place_query, literal, quoted
from greenery_assets.landing.rejects import Reject
from greenery_assets.landing.shapes import Shape, read_shapes
from greenery_assets.landing.source import Source, unfinished
from greenery_assets.landing.typed import FILE, blaming, fill
from greenery_assets.landing.warehouse import Warehouse, transaction

# The name of the column with a row's file, in the views of schema landing.
_FILE = "landing_file"
_STRAY = "landing_stray"


@dataclass(frozen=True)
class LoadedTable:
    """What of a table is in the warehouse.

    `rows` are in the warehouse, `rejected_rows` are not; `files` are names relative to the source folder, of which
    `read_files` were new or had changed; `removed_files` are absolute paths that were loaded before and are gone;
    `bytes` is the files' size; `newest` is the latest created_at (naive UTC), None where the table has no such column
    or no value in it; `extra_columns` are those no contract asked for, sorted; `read_in_place` tells whether all of it
    is Parquet that is read where it lies; `arrival` compares it with the load before.
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
    arrival: Arrival


class _RefusedError(Exception):
    """Ends the transaction of a load that is given up; carries what is kept of it."""

    def __init__(self, load_id: int, arrivals: Sequence[Arrival], rejects: Sequence[tuple[object, ...]]) -> None:
        super().__init__()
        self.load_id, self.arrivals, self.rejects = load_id, arrivals, rejects


def load(
    warehouse: Path,
    source_dir: Path,
    contracts: Mapping[str, TableContract],
    *,
    set_aside: Path | None = None,
    refuses: Callable[[Arrival], bool] = lambda _: False,
    is_accepted: bool = False,
    reread: bool = False,
) -> dict[str, LoadedTable]:
    """Brings raw.<table> and its rows of the two quality tables up to date, for every given contract.

    Each file is read once: one that is as it was (path, identity, contract) is left alone, a changed
    one replaces its own rows, the rows of one that is gone go too. All tables are brought up to date or, on any
    error, none. The columns of raw.<table> have the contract's names, order and types (timestamps naive UTC; an
    empty field is null, quoted or not). quality.rejected_rows has one row for each source row set aside:
    source_table, file (relative to the source folder), line (from 1: a CSV file's physical line, a Parquet file's
    row), column_name (all faulty columns, comma separated; null where the row has too few or too many fields), reason
    and raw_text. quality.extra_columns has one row for each column that no contract asked for: source_table,
    column_name. Schema landing keeps the files' versions (see ledger.py), and in landing.<table>_by_file the rows
    with the path of their file, `landing_file`.

    The folder goes on record as what fills the warehouse. With `set_aside`, from settle_source, the tables are loaded
    into a new warehouse, which takes the place of the present one once that is moved there.

    `refuses` judges how each table arrived, before anything holds: where it says so of one, no table is loaded, and
    the rejected rows of the files that were read are kept until the next load, marked load_was_refused. `is_accepted`
    is noted with how the tables arrived. `reread` reads every file again.

    Raises SourceError when the folder or a file in it is not what the contract asks for, LoadRefusedError when a table
    was refused, WarehouseBusyError when another program has the warehouse open, and WarehouseError when it cannot be
    opened.
    """
    source_dir = source_dir.absolute()  # views keep the paths
    source = Source.at(source_dir)
    found = find_files(source_dir, contracts)
    try:
        with _in_place_of(warehouse, set_aside) as target, transaction(target) as opened:
            opened.forget_refused(list(found))
            opened.ledger.forget_replaced()
            load_id = opened.ledger.next_load()
            loaded = {
                table: _land(opened, load_id, source_dir, contracts[table], paths, reread=reread)
                for table, paths in found.items()
            }
            arrivals = [replace(table.arrival, is_accepted=is_accepted) for table in loaded.values()]
            if any(map(refuses, arrivals)):
                rejects = opened.rejects_of({name: table.read_files for name, table in loaded.items()})
                raise _RefusedError(load_id, arrivals, rejects)
            opened.replace_extra_columns({name: table.extra_columns for name, table in loaded.items()})
            opened.ledger.record_arrivals(load_id, arrivals)
            opened.ledger.record_source(source.kind, source.folder, load_id)
    except _RefusedError as refused:
        with transaction(warehouse) as opened:
            opened.forget_refused(list(found))
            opened.keep_refused(refused.rejects)
            opened.ledger.record_arrivals(
                refused.load_id, [replace(arrival, is_refused=True) for arrival in refused.arrivals]
            )
        names = ", ".join(arrival.table for arrival in refused.arrivals if refuses(arrival))
        raise LoadRefusedError(
            f"Nothing was loaded from {source}, and the tables are as they were: too many rows are missing from, "
            f"or were rejected in, {names}. If that is meant: make run ARGS=--accept-row-loss."
        ) from None
    return loaded


@contextmanager
def _in_place_of(warehouse: Path, set_aside: Path | None) -> Iterator[Path]:
    """The file to load into: the warehouse, or a new one that takes its place once all went well."""
    if set_aside is None:
        yield warehouse
        return
    new = unfinished(warehouse)
    new.unlink(missing_ok=True)
    try:
        yield new
        _rename(warehouse, set_aside, new)
    finally:
        new.unlink(missing_ok=True)
        _wal(new).unlink(missing_ok=True)


def _rename(warehouse: Path, set_aside: Path, new: Path) -> None:
    # What DuckDB has not written into a file yet lies beside it, under the file's name.
    moves = [
        (path, target)
        for one, other in ((warehouse, set_aside), (new, warehouse))
        for path, target in ((_wal(one), _wal(other)), (one, other))
    ]
    done: list[tuple[Path, Path]] = []
    try:
        for path, target in moves:
            if path.exists():
                path.rename(target)
                done.append((path, target))
    except OSError as error:
        # Without a file of its name the next run would begin a warehouse from any source.
        for moved, to in reversed(done):
            to.rename(moved)
        raise WarehouseError(
            f"{path} cannot be renamed to {target} ({error.strerror}), so the warehouse {warehouse} is as it was; "
            "allow that, or name another file in GREENERY_WAREHOUSE_PATH."
        ) from error


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def _land(
    warehouse: Warehouse,
    load_id: int,
    source_dir: Path,
    contract: TableContract,
    paths: Sequence[Path],
    *,
    reread: bool,
) -> LoadedTable:
    known = warehouse.ledger.files(contract.name)
    text = contract_text(contract)
    there = set(paths)
    kept = [
        file for file in known if not reread and file.path in there and file.contract == text and _is_as_it_was(file)
    ]
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
        bytes=sum(file.identity.bytes for file in files),
        newest=max((file.newest for file in files if file.newest), default=None),
        extra_columns=tuple(sorted({name for file in files for name, _ in file.columns} - columns)),
        read_in_place=all(file.in_place for file in files),
        arrival=Arrival(
            table=contract.name,
            rows_before=sum(file.rows for file in known) if known else None,
            rows=sum(file.rows for file in files),
            rows_read=sum(file.rows + file.rejected for file in read),
            rows_rejected=sum(file.rejected for file in read),
            is_accepted=False,
        ),
    )


def changed_in_place(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The Parquet files (absolute paths, fit to be shown) that are read where they lie and are not as they were loaded.

    What models read of them was not held against the contract, or not counted. The next load reads them again.
    """
    try:
        files = files_in_place(connection)
    except (duckdb.CatalogException, duckdb.BinderException):  # nothing was loaded by this version of the project
        return []
    return [named(file.path) for file in files if not _is_there_as_it_was(file)]


def _is_there_as_it_was(file: LoadedFile) -> bool:
    try:
        return _is_as_it_was(file)
    except SourceError:
        return False


def _is_as_it_was(file: LoadedFile) -> bool:
    return identity(file.path).is_same(file.identity)


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
    candidates = [shape for shape in shapes if can_stay_in_place(contract, shape)]
    figures: dict[str, _Figures] = {}
    if candidates:
        with blaming(candidates):
            query = in_place_query(contract, candidates, _FILE, _STRAY)
            figures = _figures(warehouse, contract, f"({query})", _FILE, stray=_STRAY)
    in_place = {shape.path for shape in candidates if not _of(figures, shape).strays}
    others = [shape for shape in shapes if shape.path not in in_place]
    rejected = _fill(warehouse, contract, others, replaced)
    if others:
        figures |= _figures(warehouse, contract, warehouse.landed(contract.name), FILE, stray="false", shapes=others)
    rejects = [(_name(shape.path, source_dir), reject) for shape, reject in rejected]
    paths = [*(file.path for file in replaced), *(shape.path for shape in shapes)]
    warehouse.replace_rejects(contract.name, [_name(path, source_dir) for path in paths], rejects)
    for shape in shapes:
        if not identity(shape.path).is_same(shape.identity):
            raise SourceError(f"{shape} changed while it was read; run again when it is whole.")
    read = [
        LoadedFile(
            path=shape.path,
            identity=shape.identity,
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
    *,
    stray: str,
    shapes: Sequence[Shape] = (),
) -> dict[str, _Figures]:
    """The rows of each file by day of created_at, the newest of them, and how many are strays (an SQL condition)."""
    has_created_at = any(
        (column.name, column.duckdb_type) == ("created_at", "TIMESTAMP") for column in contract.columns
    )
    moment = "created_at" if has_created_at else "cast(null as timestamp)"
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
    with blaming([file.shape for file in files if file.in_place]):
        connection.execute(f"create view {warehouse.make_room(contract.name)} as {' union all '.join(plain)}")
        connection.execute(
            f"create or replace view {warehouse.by_file(contract.name)} as {' union all '.join(with_file)}"
        )
