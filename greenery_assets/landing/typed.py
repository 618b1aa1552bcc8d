"""CSV, and Parquet that does not fit the contract as it is, made into a typed table.

Here: one pass of DuckDB over each file, which marks the rows that do not fit. Not here: what is said of
such rows (rejects.py), and Parquet that is read in place (load.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

import duckdb

from greenery_assets.landing.contract import Column, TableContract
from greenery_assets.landing.conversions import INT96, conversion
from greenery_assets.landing.csv_lines import (
    PlainCount,
    count_plain_lines,
    find_bad_utf8,
    find_mixed_ending,
    find_open_quote,
)
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import reading
from greenery_assets.landing.parquet import lost_digits, parquet_column, parquet_source, quoted
from greenery_assets.landing.rejects import (
    LONGEST_LINE,
    SURPLUS,
    Marks,
    Reject,
    csv_rejects,
    open_quote,
    parquet_rejects,
    read_rows,
)
from greenery_assets.landing.shapes import Shape, glob_escape

MOST_REJECTS = 100_000
"""A table with more rejected rows is not the table of the contract: SourceError instead of a load."""

# Bytes above which one CSV file is worth all threads, with the care that takes; others have one each.
_WORTH_SPLITTING = 64_000_000
_BUFFER = 32_000_000
# DuckDB records an error for every missing or surplus field, and drops what is over the limit.
_MOST_ERRORS = 1_000_000

FILE = "_landing_file"
_MARK = "_landing_mark"


class Rejected(NamedTuple):
    """A row set aside, and the file it stood in."""

    shape: Shape
    reject: Reject


def fill(
    connection: duckdb.DuckDBPyConnection, target: str, contract: TableContract, shapes: Sequence[Shape]
) -> list[Rejected]:
    """Creates the table `target` (quoted SQL) with the contract's columns and the files' rows, in order.

    Its last column, FILE, has the path of the file that a row came from.

    Returns the rows set aside. Raises SourceError when a file cannot be read to its end, or when more
    than MOST_REJECTS rows do not fit.
    """
    columns = ", ".join(f"{quoted(column.name)} {column.duckdb_type}" for column in contract.columns)
    connection.execute(f"create table {target} ({columns}, {_MARK} bigint, {FILE} varchar)")
    marks = {str(shape.path): Marks() for shape in shapes}
    plain = {shape.path: _plain_count(shape) for shape in shapes if shape.is_csv}
    for group in _groups(shapes):
        with blaming(group):
            for path, position, kinds in _insert(connection, target, contract, group, plain.get(group[0].path)):
                marks[path].misshapen[position] = kinds
    # Rows of a file are inserted in its order and one after the other.
    first = {}
    for path, count, lowest in connection.execute(
        f"select {FILE}, count(*), min(rowid) from {target} group by all"
    ).fetchall():
        marks[path].read, first[path] = count, lowest
    for shape in shapes:
        path = str(shape.path)
        if shape.is_csv:
            surplus = _surplus(shape, plain[shape.path], marks[path], contract)
            _mark(connection, target, [first[path] + number for number in surplus], SURPLUS)
        for bit, column in enumerate(contract.columns):
            if dict(shape.columns)[column.name] == INT96 and path in first:
                finer = _lost_digits(connection, target, shape, column)
                _mark(connection, target, [first[path] + number for number in finer], 1 << bit)
    _find_faulty(connection, target, contract, marks, first)
    rejected = list(_rejected(connection, contract, shapes, marks))
    connection.execute(f"delete from {target} where {_MARK} <> 0")
    connection.execute(f"alter table {target} drop column {_MARK}")
    return rejected


class _Misshapen(NamedTuple):
    path: str
    position: int
    kinds: frozenset[str]


def _groups(shapes: Sequence[Shape]) -> Iterator[list[Shape]]:
    """Neighbours that one statement can read. A large CSV file stands alone: it may need a second try."""

    def key(shape: Shape) -> tuple[object, ...]:
        is_large = shape.is_csv and shape.bytes > _WORTH_SPLITTING
        return (shape.is_csv, shape.columns, shape.path if is_large else None)

    for _, group in groupby(shapes, key):
        yield list(group)


def _insert(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    contract: TableContract,
    group: list[Shape],
    plain: PlainCount | None,
) -> list[_Misshapen]:
    first = group[0]
    if not first.is_csv:
        connection.execute(f"{_insertion(target, contract, first)} from {parquet_source(group, FILE)}")
        return []
    if first.bytes <= _WORTH_SPLITTING or plain is None:
        return _insert_csv(connection, target, contract, group, is_split=False)
    misshapen = _insert_csv(connection, target, contract, group, is_split=True)
    rows = _number(connection, f"select count(*) from {target} where {FILE} = ?", str(first.path))
    if misshapen or rows != plain.lines - 1:
        # Where rows are misshapen DuckDB's threads lose others too; only a single thread is certain.
        connection.execute(f"delete from {target} where {FILE} = ?", [str(first.path)])
        return _insert_csv(connection, target, contract, group, is_split=False)
    return []


def _insert_csv(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    contract: TableContract,
    group: list[Shape],
    *,
    is_split: bool,
) -> list[_Misshapen]:
    if not is_split:
        _refuse_open_quotes(group)
    # Columns go by their place, so that no name of a file is ever part of a statement.
    names = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(group[0].columns)))
    connection.execute(
        f"{_insertion(target, contract, group[0])} from read_csv(?, columns = {{{names}}}, "
        "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"', "
        f"filename = '{FILE}', hive_partitioning = false, parallel = {is_split}, "
        f"max_line_size = {LONGEST_LINE}, buffer_size = {_BUFFER}, store_rejects = true, "
        "rejects_table = 'landing_errors', rejects_scan = 'landing_scans', "
        f"rejects_limit = {_MOST_ERRORS}, rejects_line_size_limit = 1)",
        [[glob_escape(shape.path) for shape in group]],
    )
    errors = connection.execute(
        "select file_path, line_byte_position, list(distinct error_type), count(*) from landing_errors "
        "join landing_scans using (scan_id, file_id) group by all order by all"
    ).fetchall()
    connection.execute("drop table landing_errors; drop table landing_scans")
    _refuse_other_encodings(group, {path for path, _, kinds, _ in errors if "INVALID ENCODING" in kinds})
    if len(errors) > MOST_REJECTS or sum(count for *_, count in errors) >= _MOST_ERRORS:
        raise _too_many(contract)
    # DuckDB's positions count from 1.
    return [_Misshapen(path, position - 1, frozenset(kinds)) for path, position, kinds, _ in errors]


def _insertion(target: str, contract: TableContract, shape: Shape) -> str:
    values, marks = [], []
    types, places = dict(shape.columns), shape.position
    for bit, column in enumerate(contract.columns):
        source = f"c{places[column.name]}" if shape.is_csv else parquet_column(column.name, types[column.name])
        way = conversion(types[column.name], column.duckdb_type)
        assert way is not None, "read_shapes refuses such a column"
        value = way.check(source)
        values.append(value)
        if value != source:
            marks.append(f"case when {source} is not null and ({value}) is null then {1 << bit} else 0 end")
    return f"insert into {target} select {', '.join(values)}, {' + '.join(marks) or '0'}, {FILE}"


def _number(connection: duckdb.DuckDBPyConnection, query: str, *parameters: object) -> int:
    row = connection.execute(query, list(parameters)).fetchone()
    return int(row[0]) if row else 0


def _plain_count(shape: Shape) -> PlainCount | None:
    with reading(shape.path):
        return count_plain_lines(shape.path)


def _surplus(shape: Shape, plain: PlainCount | None, marks: Marks, contract: TableContract) -> list[int]:
    """The rows (from 0, among those read) with more fields than the header, which DuckDB takes if these are empty.

    Raises SourceError where not every row of the file was read or set aside.
    """
    wanted = len(shape.columns)
    if plain and not plain.quotes and not marks.misshapen:
        is_even = plain.commas == plain.lines * (wanted - 1)
        if is_even and plain.lines - 1 == marks.read:
            return []  # counted without a look at each line
    surplus: list[int] = []
    for number, record, kinds in read_rows(shape, marks):
        if record.fields > wanted and not kinds:
            surplus.append(number)
    if len(surplus) > MOST_REJECTS:
        raise _too_many(contract)
    return surplus


def _lost_digits(connection: duckdb.DuckDBPyConnection, target: str, shape: Shape, column: Column) -> list[int]:
    microseconds = connection.execute(
        f"select epoch_us({quoted(column.name)}) from {target} where {FILE} = ? order by rowid", [str(shape.path)]
    ).fetchall()
    return lost_digits(shape, column.name, [found for (found,) in microseconds])


def _mark(connection: duckdb.DuckDBPyConnection, target: str, rows: list[int], bit: int) -> None:
    if rows:
        connection.execute(
            f"update {target} set {_MARK} = {_MARK} | {bit} where rowid in (select unnest(?::bigint[]))", [rows]
        )


def _find_faulty(
    connection: duckdb.DuckDBPyConnection,
    target: str,
    contract: TableContract,
    marks: dict[str, Marks],
    first: Mapping[str, int],
) -> None:
    faulty = _number(connection, f"select count(*) from {target} where {_MARK} <> 0")
    if faulty + sum(len(mark) for mark in marks.values()) > MOST_REJECTS:
        raise _too_many(contract)
    if not faulty:
        return
    for path, row, bits in connection.execute(
        f"select {FILE}, rowid, {_MARK} from {target} where {_MARK} <> 0"
    ).fetchall():
        marks[path].faulty[row - first[path]] = bits


def _rejected(
    connection: duckdb.DuckDBPyConnection,
    contract: TableContract,
    shapes: Iterable[Shape],
    marks: dict[str, Marks],
) -> Iterator[Rejected]:
    for shape in shapes:
        mark = marks[str(shape.path)]
        if mark and shape.is_csv:
            yield from (Rejected(shape, reject) for reject in csv_rejects(shape, contract, mark))
        elif mark:
            for reject in parquet_rejects(connection, shape, contract, mark):
                yield Rejected(shape, reject)


@contextmanager
def blaming(shapes: Sequence[Shape]) -> Iterator[None]:
    """Turns DuckDB's errors over files into a SourceError that names the file at fault.

    What cannot be laid to a file passes as it is. DuckDB's text on CSV is cut off: it repeats the row.
    """
    try:
        yield
    except duckdb.Error as error:
        for shape in shapes:
            with reading(shape.path), shape.path.open("rb"):
                pass
            if shape.is_csv and (line := find_mixed_ending(shape.path)):
                raise SourceError(
                    f"{shape} ends line {line} otherwise than line 1; save it with one kind of line "
                    "ending throughout, LF or CRLF."
                ) from None
            if not shape.is_csv and not _is_whole(shape):
                raise SourceError(
                    f"{shape} cannot be read to its end; write it again or fetch it once more."
                ) from error
        if isinstance(error, duckdb.InvalidInputException) and shapes and shapes[0].is_csv:
            names = ", ".join(str(shape) for shape in shapes)
            raise SourceError(f"This is no CSV that can be read: {names}; write it again.") from None
        raise


def _refuse_open_quotes(group: Iterable[Shape]) -> None:
    for shape in group:
        with reading(shape.path):
            line = find_open_quote(shape.path)
        if line:
            raise open_quote(shape, line)


def _refuse_other_encodings(group: Iterable[Shape], paths: set[str]) -> None:
    for shape in group:
        if str(shape.path) in paths:
            with reading(shape.path):
                line = find_bad_utf8(shape.path)
            raise SourceError(f"{shape} is not UTF-8 (line {line}); save it as CSV with the encoding UTF-8.")


def _too_many(contract: TableContract) -> SourceError:
    return SourceError(
        f"More than {MOST_REJECTS:,} rows of the table {contract.name} do not fit its contract, so nothing "
        "was loaded; look whether its files are those of another table or another version of it."
    )


def _is_whole(shape: Shape) -> bool:
    try:
        with duckdb.connect() as scratch:
            scratch.execute(f"select max(hash(source)) from {parquet_source([shape])} source")
    except duckdb.Error:
        return False
    return True
