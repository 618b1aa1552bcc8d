"""Landing: a source folder, held against its contract, into schema raw of the warehouse.

Here: the order of things, and what is reported of each table. Not here: any of the steps.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import duckdb

from greenery_assets.landing import ledger
from greenery_assets.landing.columns import Shape, read_shapes
from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.errors import LoadRefusedError, SourceError, WarehouseError
from greenery_assets.landing.files import find_files, identity, named
from greenery_assets.landing.ledger import Arrival, LoadedFile, RejectedRow
from greenery_assets.landing.opening import transaction
from greenery_assets.landing.rows import FILE, blaming, can_stay_in_place, create, fill, in_place_query
from greenery_assets.landing.source import Source, unfinished
from greenery_assets.landing.values import literal, quoted

# The name of the column with a row's file, in the views of schema landing.
_FILE = "landing_file"


@dataclass(frozen=True)
class LoadedTable:
    """What of a table is in the warehouse.

    `rows` are in the warehouse, `rejected_rows` are not; `files` are names relative to the source folder, of which
    `read_files` were new or had changed; `removed_files` are absolute paths that were loaded before and are gone;
    `bytes` is the files' size; `newest` is the latest created_at (naive UTC), None where the table has no such column
    or no value in it; `extra_columns` are those no contract asked for, sorted; `read_in_place`: whether all of it
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
    loaded: dict[str, LoadedTable] = {}
    rejects: list[RejectedRow] = []
    try:
        with _in_place_of(warehouse, set_aside) as target, transaction(target) as connection:
            ledger.prepare(connection, list(found))
            ledger.forget_replaced(connection)
            load_id = ledger.next_load(connection)
            for table, paths in found.items():
                landing = _Table(connection, source_dir, contracts[table])
                loaded[table] = landing.bring_up_to_date(load_id, paths, reread=reread)
                rejects += landing.rejects
            arrivals = [replace(table.arrival, is_accepted=is_accepted) for table in loaded.values()]
            if refused := [arrival.table for arrival in arrivals if refuses(arrival)]:
                raise LoadRefusedError(
                    f"Nothing was loaded from {source}, and the tables are as they were: too many rows are missing "
                    f"from, or were rejected in, {', '.join(refused)}. If that is meant: make run "
                    "ARGS=--accept-row-loss."
                )
            ledger.replace_extra_columns(connection, {name: table.extra_columns for name, table in loaded.items()})
            ledger.record_arrivals(connection, load_id, arrivals)
            ledger.record_source(connection, source.kind, source.folder, load_id)
    except LoadRefusedError:
        with transaction(warehouse) as connection:
            ledger.prepare(connection, list(found))
            ledger.add_rejects(connection, rejects, load_was_refused=True)
            ledger.record_arrivals(connection, load_id, [replace(arrival, is_refused=True) for arrival in arrivals])
        raise
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


def changed_in_place(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The Parquet files (absolute paths, fit to be shown) that are read where they lie and are not as they were loaded.

    What models read of them was not held against the contract, or not counted. The next load reads them again.
    """
    try:
        files = ledger.files(connection, "in_place")
    except (duckdb.CatalogException, duckdb.BinderException):  # nothing was loaded by this version of the project
        return []
    return [named(file.path) for file in files if not _is_as_it_was(file)]


def _is_as_it_was(file: LoadedFile) -> bool:
    try:
        return identity(file.path).is_same(file.shape.identity)
    except SourceError:
        return False


class _Table:
    """One table while it is loaded; `rejects` are the rows set aside of the files that are read."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source_dir: Path, contract: TableContract) -> None:
        self.connection, self.source_dir, self.contract = connection, source_dir, contract
        self.landed = f"landing.{quoted(contract.name + '_rows')}"  # rows that are not read in place, with their file
        self.rejects: list[RejectedRow] = []

    def bring_up_to_date(self, load_id: int, paths: Sequence[Path], *, reread: bool) -> LoadedTable:
        name, contract = self.contract.name, ledger.contract_text(self.contract)
        known, there = ledger.files(self.connection, "source_table = ?", name), set(paths)
        kept = [
            file
            for file in known
            if not reread and file.path in there and file.contract == contract and _is_as_it_was(file)
        ]
        unchanged = {file.path for file in kept}
        replaced = [file for file in known if file.path not in unchanged]
        removed = [file for file in replaced if file.path not in there]
        files, read = kept, list[LoadedFile]()
        if len(unchanged) < len(paths) or removed or not ledger.exists(self.connection, "raw", name):
            shapes = read_shapes([path for path in paths if path not in unchanged], self.contract)
            read = self._read(load_id, shapes, replaced)
            ledger.record_removed(self.connection, name, load_id, removed)
            files = sorted([*kept, *read], key=lambda file: file.path)
            self._show([(file.shape, file.in_place) for file in files])
        extra = {column for file in files for column, _ in file.shape.columns}
        return LoadedTable(
            table=name,
            rows=sum(file.rows for file in files),
            rejected_rows=sum(file.rejected for file in files),
            files=tuple(self._name(file.path) for file in files),
            read_files=tuple(self._name(file.path) for file in read),
            removed_files=tuple(str(file.path) for file in removed),
            bytes=sum(file.shape.identity.bytes for file in files),
            newest=max((file.newest for file in files if file.newest), default=None),
            extra_columns=tuple(sorted(extra - {column.name for column in self.contract.columns})),
            read_in_place=all(file.in_place for file in files),
            arrival=Arrival(
                table=name,
                rows_before=sum(file.rows for file in known) if known else None,
                rows=sum(file.rows for file in files),
                rows_read=sum(file.rows + file.rejected for file in read),
                rows_rejected=sum(file.rejected for file in read),
                is_accepted=False,
            ),
        )

    def _name(self, path: Path) -> str:
        return path.relative_to(self.source_dir).as_posix() if path.is_relative_to(self.source_dir) else str(path)

    def _read(self, load_id: int, shapes: Sequence[Shape], replaced: Sequence[LoadedFile]) -> list[LoadedFile]:
        """Reads new and changed files, and puts their rows in place of those of the files that are replaced."""
        contract = ledger.contract_text(self.contract)
        if any(file.contract != contract for file in replaced):
            self.connection.execute(f"drop table if exists {self.landed}")
        create(self.connection, self.landed, self.contract)
        self.connection.execute(
            f"delete from {self.landed} where list_contains(?, {FILE})", [[str(file.path) for file in replaced]]
        )
        in_place = self._without_strays([shape for shape in shapes if can_stay_in_place(self.contract, shape)])
        rejects = fill(
            self.connection, self.landed, self.contract, [shape for shape in shapes if shape not in in_place]
        )
        rejected = Counter(reject.path for reject in rejects)
        self.rejects = [(self.contract.name, self._name(path), *reject) for path, *reject in rejects]
        names = [self._name(path) for path in (*(file.path for file in replaced), *(shape.path for shape in shapes))]
        ledger.replace_rejects(self.connection, self.contract.name, names, self.rejects)
        days: dict[str, dict[date | None, int]] = {str(shape.path): {} for shape in shapes}
        newest: dict[str, datetime] = {}
        for path, day, count, latest in self._rows_by_day([(shape, shape in in_place) for shape in shapes]):
            days[path][day] = count
            if latest:
                newest[path] = max(newest.get(path, latest), latest)
        for shape in shapes:
            if not identity(shape.path).is_same(shape.identity):
                raise SourceError(f"{shape} changed while it was read; run again when it is whole.")
        read = [
            LoadedFile(
                shape=shape,
                contract=contract,
                in_place=shape in in_place,
                rows=sum(days[str(shape.path)].values()),
                rejected=rejected[shape.path],
                newest=newest.get(str(shape.path)),
            )
            for shape in shapes
        ]
        ledger.record(self.connection, self.contract.name, load_id, read, days)
        return read

    def _without_strays(self, shapes: Sequence[Shape]) -> set[Shape]:
        """The files of which a view can show every value."""
        if not shapes:
            return set()
        with blaming(shapes):
            query = in_place_query(self.contract, shapes, _FILE, stray="stray")
            found = self.connection.execute(f"select distinct {_FILE} from ({query}) where stray").fetchall()
        return {shape for shape in shapes if (str(shape.path),) not in found}

    def _rows_by_day(self, files: Sequence[tuple[Shape, bool]]) -> list[tuple[str, date | None, int, datetime | None]]:
        """Each file's rows by day of created_at, and the latest of the day."""
        if not files:
            return []
        has_moment = any(
            column.name == "created_at" and column.data_type == "timestamp" for column in self.contract.columns
        )
        moment = "created_at" if has_moment else "cast(null as timestamp)"
        with blaming([shape for shape, is_in_place in files if is_in_place]):
            return self.connection.execute(
                f"select {_FILE}, cast({moment} as date), count(*), max({moment}) "
                f"from ({self._query(files, is_part=True)}) group by all"
            ).fetchall()

    def _show(self, files: Sequence[tuple[Shape, bool]]) -> None:
        """Makes the views that show the table's rows, with and without their files."""
        columns = ", ".join(quoted(column.name) for column in self.contract.columns)
        name, by_file = quoted(self.contract.name), f"landing.{quoted(self.contract.name + '_by_file')}"
        with blaming([shape for shape, is_in_place in files if is_in_place]):
            self.connection.execute(f"create or replace view {by_file} as {self._query(files)}")
            self.connection.execute(f"create or replace view raw.{name} as select {columns} from {by_file}")

    def _query(self, files: Sequence[tuple[Shape, bool]], *, is_part: bool = False) -> str:
        """SQL of the rows of all files, or of a part of them, each with its path: in the order of the files' names."""
        columns = ", ".join(quoted(column.name) for column in self.contract.columns)
        parts = []
        for is_in_place, group in groupby(files, key=lambda file: file[1]):
            shapes = [shape for shape, _ in group]
            if is_in_place:
                parts.append(in_place_query(self.contract, shapes, _FILE))
                continue
            paths = ", ".join(literal(str(shape.path)) for shape in shapes)
            where = f" where {FILE} in ({paths})" if is_part or len(shapes) < len(files) else ""
            parts.append(f"select {columns}, {FILE} as {_FILE} from {self.landed}{where}")
        return " union all ".join(parts)
