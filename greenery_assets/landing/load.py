"""Landing: a source folder, held against its contract, into schema raw of the warehouse.

Here: the order of things, and what is reported of each table. Not here: any of the steps.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from greenery_assets.landing.columns import read_shapes
from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.errors import LoadRefusedError, SourceError
from greenery_assets.landing.files import find_files, identity
from greenery_assets.landing.rows import FILE, blaming, can_stay_in_place, create, fill, in_place_query
from greenery_assets.landing.values import literal, quoted
from greenery_assets.warehouse import (
    NOT_BUILT,
    Connection,
    DuckDB,
    Place,
    Source,
    hand_over,
    loads,
    named,
    transaction,
    typing,
)
from greenery_assets.warehouse.loads import Arrival, LoadedFile, Shape


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
    warehouse: Place,
    source_dir: Path,
    contracts: Mapping[str, TableContract],
    *,
    set_aside: Path | str | None = None,
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
    row), column_name (all faulty columns, comma separated; null where the row has too few or too many fields), reason,
    raw_text, and rejected_at (naive UTC). quality.extra_columns has one row for each column that no contract asked for:
    source_table, column_name. Schema landing keeps the files' versions (warehouse/loads.py), and in
    landing.<table>_by_file the rows with the path of their file, `landing_file`.

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
    now = datetime.now(UTC).replace(tzinfo=None)
    try:
        with transaction(warehouse, set_aside) as connection, typing(connection) as typed:
            load_id = loads.prepare(connection, list(found))
            tables = {name: _Table(connection, typed, source_dir, contracts[name], load_id) for name in found}
            loaded = {name: table.bring_up_to_date(found[name], reread=reread) for name, table in tables.items()}
            rejects = [reject for table in tables.values() for reject in table.rejects]
            arrivals = [replace(table.arrival, is_accepted=is_accepted) for table in loaded.values()]
            if refused := [arrival.table for arrival in arrivals if refuses(arrival)]:
                raise LoadRefusedError(
                    f"Nothing was loaded from {source}, and the tables are as they were: too many rows are missing "
                    f"from, or were rejected in, {', '.join(refused)}. If that is meant: make run "
                    "ARGS=--accept-row-loss."
                )
            loads.append(connection, loads.REJECTED_ROWS, [(*reject, False, now) for reject in rejects])
            extra = [(name, column) for name, table in loaded.items() for column in table.extra_columns]
            loads.replace(connection, loads.EXTRA_COLUMNS, "source_table = any(?)", extra, list(loaded))
            loads.record_arrivals(connection, load_id, arrivals)
            loads.record_source(connection, source.kind, source.folder, load_id)
    except LoadRefusedError:
        with transaction(warehouse) as connection:
            load_id = loads.prepare(connection, list(found))
            loads.append(connection, loads.REJECTED_ROWS, [(*reject, True, now) for reject in rejects])
            loads.record_arrivals(connection, load_id, [replace(arrival, is_refused=True) for arrival in arrivals])
        raise
    return loaded


def changed_in_place(connection: Connection) -> list[str]:
    """The Parquet files (absolute paths, fit to be shown) that are read where they lie and are not as they were loaded.

    What models read of them was not held against the contract, or not counted. The next load reads them again.
    """
    try:
        files = loads.files(connection, "in_place")
    except NOT_BUILT:  # nothing was loaded by this version of the project
        return []
    return [named(file.path) for file in files if not _is_as_it_was(file)]


def _is_as_it_was(file: LoadedFile) -> bool:
    try:
        return identity(file.path).is_same(file.identity)
    except SourceError:
        return False


class _Day(NamedTuple):
    """The rows of a file that were created on a day, the latest, and whether a view could not show one of them."""

    path: Path
    day: date | None
    rows: int
    newest: datetime | None
    has_stray: bool


class _Table:
    """One table while it is loaded; `rejects` are the rows set aside of the files that are read."""

    def __init__(
        self, connection: Connection, typed: DuckDB, source_dir: Path, contract: TableContract, load_id: int
    ) -> None:
        self.connection, self.typed = connection, typed
        self.source_dir, self.contract, self.load_id = source_dir, contract, load_id
        self.columns = ", ".join(map(quoted, contract.names))
        self.landed = f"landing.{quoted(contract.name + '_rows')}"  # rows that are not read in place, with their file
        # What of the contract matters to rows that were loaded under it, and how they are kept (2: with their line).
        self.read_as = "2: " + ", ".join(f"{column.name} {column.data_type}" for column in contract.columns)
        self.rejects: list[tuple[object, ...]] = []

    def bring_up_to_date(self, paths: Sequence[Path], *, reread: bool) -> LoadedTable:
        name, there = self.contract.name, set(paths)
        known = {file.path: file for file in loads.files(self.connection, "source_table = ?", name)}
        kept = {
            path: known[path]
            for path in paths
            if path in known and not reread and known[path].contract == self.read_as and _is_as_it_was(known[path])
        }
        replaced = [file for path, file in known.items() if path not in kept]
        removed = [file for file in replaced if file.path not in there]
        shapes = read_shapes([path for path in paths if path not in kept], self.contract)
        read = self._read(shapes, replaced) if shapes or removed else []
        gone = [replace(file, rows=0, rejected=0, newest=None, is_removed=True) for file in removed]
        loads.record_files(self.connection, name, self.load_id, [*read, *gone])
        files = sorted([*kept.values(), *read], key=lambda file: file.path)
        self._show(files)
        extra = {column for file in files for column, _ in file.columns}
        return LoadedTable(
            table=name,
            rows=sum(file.rows for file in files),
            rejected_rows=sum(file.rejected for file in files),
            files=tuple(self._name(file.path) for file in files),
            read_files=tuple(self._name(file.path) for file in read),
            removed_files=tuple(str(file.path) for file in removed),
            bytes=sum(file.identity.bytes for file in files),
            newest=max((file.newest for file in files if file.newest), default=None),
            extra_columns=tuple(sorted(extra.difference(self.contract.names))),
            read_in_place=all(file.in_place for file in files),
            arrival=Arrival(
                table=name,
                rows_before=sum(file.rows for file in known.values()) if known else None,
                rows=sum(file.rows for file in files),
                rows_read=sum(file.rows + file.rejected for file in read),
                rows_rejected=sum(file.rejected for file in read),
                is_accepted=False,
            ),
        )

    def _name(self, path: Path) -> str:
        return path.relative_to(self.source_dir).as_posix() if path.is_relative_to(self.source_dir) else str(path)

    def _read(self, shapes: Sequence[Shape], replaced: Sequence[LoadedFile]) -> list[LoadedFile]:
        """Reads new and changed files, and puts their rows in place of those of the files that are replaced."""
        table = self.contract.name
        if any(file.contract != self.read_as for file in replaced):
            # With the views of it, where an engine has them depend on it; they are made again.
            self.connection.execute(f"drop table if exists {self.landed} cascade")
        for connection in (self.connection, self.typed):
            create(connection, self.landed, self.contract)
        if replaced:
            paths = [str(file.path) for file in replaced]
            self.connection.execute(f"delete from {self.landed} where {FILE} = any(?)", [paths])
        reads_files = self.typed is self.connection  # another engine reads none where it lies
        candidates = [shape for shape in shapes if reads_files and can_stay_in_place(self.contract, shape)]
        with blaming(candidates):
            days = self._rows_by_day(in_place_query(self.contract, candidates, stray="stray")) if candidates else []
        # Where a view cannot show a value, the whole file goes into the table.
        in_place = {shape.path for shape in candidates} - {day.path for day in days if day.has_stray}
        landed = [shape for shape in shapes if shape.path not in in_place]
        rejects = fill(self.typed, self.landed, self.contract, landed)
        days = [day for day in days if day.path in in_place]
        days += self._rows_by_day(f"select *, false as stray from ({self._landed(landed)})") if landed else []
        hand_over(self.typed, self.connection, self.landed)
        for shape in shapes:
            if not identity(shape.path).is_same(shape.identity):
                raise SourceError(f"{shape} changed while it was read; run again when it is whole.")
        loads.append(
            self.connection, loads.DAYS, [(table, str(day.path), self.load_id, day.day, day.rows) for day in days]
        )
        names = [self._name(file.path) for file in (*replaced, *shapes)]
        loads.replace(self.connection, loads.REJECTED_ROWS, "source_table = ? and file = any(?)", [], table, names)
        self.rejects = [(table, self._name(path), *reject) for path, *reject in rejects]
        rejected, by_path = Counter(reject.path for reject in rejects), defaultdict[Path, list[_Day]](list)
        for day in days:
            by_path[day.path].append(day)
        return [
            LoadedFile(
                *(shape.path, shape.identity, shape.columns, self.read_as, shape.path in in_place),
                rows=sum(day.rows for day in by_path[shape.path]),
                rejected=rejected[shape.path],
                newest=max((day.newest for day in by_path[shape.path] if day.newest), default=None),
            )
            for shape in shapes
        ]

    def _rows_by_day(self, query: str) -> list[_Day]:
        types = {column.name: column.data_type for column in self.contract.columns}
        moment = "created_at" if types.get("created_at") == "timestamp" else "cast(null as timestamp)"
        found = self.typed.execute(
            f"select landing_file, cast({moment} as date), count(*), max({moment}), bool_or(stray) from ({query}) "
            "group by all"
        ).fetchall()
        return [_Day(Path(path), *figures) for path, *figures in found]

    def _landed(self, files: Sequence[Shape]) -> str:
        """SQL of the rows in the table that are of these files; of all, where none is given."""
        paths = ", ".join(literal(str(file.path)) for file in files)
        where = f" where {FILE} in ({paths})" if files else ""
        return f"select {self.columns}, {FILE} as landing_file from {self.landed}{where}"

    def _show(self, files: Sequence[LoadedFile]) -> None:
        """Makes the views that show the table's rows, with and without their files, in the order of the files."""
        parts = [
            in_place_query(self.contract, alike)
            if is_in_place
            else self._landed(alike if len(alike) < len(files) else [])
            for is_in_place, group in groupby(files, key=lambda file: file.in_place)
            for alike in [list(group)]
        ]
        name, by_file = quoted(self.contract.name), f"landing.{quoted(self.contract.name + '_by_file')}"
        self.connection.execute(f"create or replace view {by_file} as {' union all '.join(parts)}")
        self.connection.execute(f"create or replace view raw.{name} as select {self.columns} from {by_file}")
