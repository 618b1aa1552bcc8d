"""The rows of source files: typed into a table, or shown by a view of Parquet that is read in place.

Here: the statements that convert each value, and the rows that are set aside, put into words. Not here: how one value
becomes another (values.py), the lines of CSV (csv_rows.py), and which files are read (load.py).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import parquet

from greenery_assets.landing.columns import parquet_source
from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.csv_rows import CsvRows
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import reading
from greenery_assets.landing.values import INT96, conversion, literal, quoted
from greenery_assets.warehouse import Connection, DuckDB
from greenery_assets.warehouse.loads import Shape

MOST_REJECTS = 100_000
"""A table with more rejected rows is not the table of the contract: SourceError instead of a load."""

LONGEST_RAW_TEXT = 65_536
"""Characters of a rejected row that are kept."""

FILE = "_landing_file"
_LINE = "_landing_line"
_FAULT = "_landing_fault"


class Reject(NamedTuple):
    """One row set aside: its file's path, and the columns of quality.rejected_rows.

    `line` counts from 1: a CSV file's physical line, a Parquet file's row.
    """

    path: Path
    line: int
    column_name: str | None
    reason: str
    raw_text: str


class _Value(NamedTuple):
    """SQL of one column of a file: converted, converted in a view, whether it is refused (empty: never), and why."""

    name: str
    value: str
    in_place: str
    is_refused: str
    reason: str


def create(connection: Connection, target: str, contract: TableContract) -> None:
    """Creates the table `target` (quoted SQL) for `fill`, if it is not there: the contract's columns, then ours.

    FILE has the path of the file that a row came from.
    """
    columns = ", ".join(f"{quoted(column.name)} {column.data_type}" for column in contract.columns)
    connection.execute(
        f"create table if not exists {target} ({columns}, {_LINE} bigint, {_FAULT} varchar, {FILE} varchar)"
    )


def fill(connection: DuckDB, target: str, contract: TableContract, shapes: Sequence[Shape]) -> list[Reject]:
    """Adds the files' rows, in order, to a table of `create`; returns those set aside.

    Raises SourceError when a file cannot be read to its end, or when more than MOST_REJECTS rows do not fit.
    """
    rejects: list[Reject] = []
    csv_rows: dict[Path, CsvRows] = {}
    for _, group in groupby(shapes, key=_alike):
        alike = list(group)
        insert = f"insert into {target} {_select(contract, alike[0])}"
        if not alike[0].is_csv:
            with blaming(alike):
                connection.execute(f"{insert} from {_numbered(alike)}")
            continue
        files = [
            CsvRows(shape.path, [name for name, _ in shape.columns], contract.names, MOST_REJECTS) for shape in alike
        ]
        csv_rows |= {file.path: file for file in files}
        errors: list[Exception] = []
        connection.register("landing_rows", _stream(contract, files, errors))
        try:
            connection.execute(f"{insert} from landing_rows")
        except duckdb.Error as error:
            raise (errors or [error])[0] from None
        connection.unregister("landing_rows")
    for path, rows in csv_rows.items():
        rejects += [Reject(path, line, None, reason, _text(raw)) for line, reason, raw in rows.misshapen]
    faulty = connection.execute(
        f"select {FILE}, {_LINE}, {_FAULT} from {target} where {_FAULT} is not null order by all limit ?",
        [MOST_REJECTS + 1],
    ).fetchall()
    if len(rejects) + len(faulty) > MOST_REJECTS:
        raise SourceError(
            f"More than {MOST_REJECTS:,} rows of the table {contract.name} do not fit its contract, so nothing "
            "was loaded; look whether its files are those of another table or another version of it."
        )
    by_path = {shape.path: shape for shape in shapes}
    for path, found in groupby(faulty, key=lambda row: Path(row[0])):
        faults = {line: fault for _, line, fault in found}
        texts = csv_rows[path].texts(faults) if path in csv_rows else _parquet_texts(connection, by_path[path], faults)
        rejects += [_refused(path, line, fault, texts[line]) for line, fault in faults.items()]
    if faulty:
        connection.execute(f"delete from {target} where {_FAULT} is not null")
    return sorted(rejects)


def can_stay_in_place(contract: TableContract, shape: Shape) -> bool:
    """Whether a file is Parquet whose types convert on the fly, if no value of it is a stray (see `in_place_query`)."""
    types = dict(shape.columns)
    found = [conversion(types[column.name], column.data_type) for column in contract.columns]
    return not shape.is_csv and all(how and how.in_place for how in found)


def in_place_query(contract: TableContract, shapes: Sequence[Shape], stray: str = "") -> str:
    """SQL of a view over the files: the contract's columns, names and types, in its order, and each row's path.

    A column `stray` is true where a value is refused: a NUL in a text, a year 10000. Files of unlike columns or types
    are read apart: to unify a naive timestamp with one that has a time zone, DuckDB would bring in the time zone of
    the session.
    """
    parts = []
    for _, group in groupby(shapes, key=lambda shape: shape.columns):
        alike = list(group)
        values = list(_values(contract, alike[0]))
        selected = [*(f"{value.in_place} as {quoted(value.name)}" for value in values), "landing_file"]
        if stray:
            selected.append(f"{' or '.join(f'({v.is_refused})' for v in values if v.is_refused) or 'false'} as {stray}")
        source = parquet_source(alike, "filename = 'landing_file'")
        parts.append(f"select {', '.join(selected)} from {source}")
    return " union all ".join(parts)


@contextmanager
def blaming(shapes: Sequence[Shape]) -> Iterator[None]:
    """Turns an error over Parquet files into a SourceError that names the file at fault, if it is one's."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        for shape in shapes:
            with reading(shape.path):
                shape.path.open("rb").close()
            with duckdb.connect() as scratch:
                try:
                    scratch.execute(f"select max(hash(source)) from {parquet_source([shape])} as source")
                except duckdb.Error:
                    raise SourceError(
                        f"{shape} cannot be read to its end; write it again or fetch it once more."
                    ) from error
        raise


def _alike(shape: Shape) -> object:
    """Neighbours of which this is equal can be read by one statement, which costs more than a small file."""
    return shape.is_csv or (shape.columns, shape.path if INT96 in dict(shape.columns).values() else None)


def _stream(contract: TableContract, files: Sequence[CsvRows], errors: list[Exception]) -> pa.RecordBatchReader:
    """The rows of files, one after the other, with their lines and files; what breaks the pass goes to `errors`."""
    schema = pa.schema([*((name, pa.string()) for name in contract.names), (_LINE, pa.int64()), (FILE, pa.string())])

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for file in files:
                for columns, lines in file.batches():
                    of_file = pa.repeat(str(file.path), len(lines))
                    yield from pa.table([*columns, lines, of_file], schema=schema).to_batches()
        except Exception as error:
            errors.append(error)  # Arrow would lose it
            raise

    return pa.RecordBatchReader.from_batches(schema, batches())


def _select(contract: TableContract, shape: Shape) -> str:
    """SQL of the columns of `create` from the file's."""
    values = list(_values(contract, shape))
    faults = [
        f"case when {value.is_refused} then {literal(value.name)} || chr(9) || {value.reason} end"
        for value in values
        if value.is_refused
    ]
    fault = f"nullif(concat_ws(chr(10), {', '.join(faults)}), '')" if faults else "null"
    line = _LINE if shape.is_csv else "file_row_number + 1"
    return f"select {', '.join([*(value.value for value in values), line, fault, FILE])}"


def _values(contract: TableContract, shape: Shape) -> Iterator[_Value]:
    types = dict(shape.columns)
    for column in contract.columns:
        found = types[column.name]
        how = conversion(found, column.data_type)
        assert how is not None, "read_shapes refuses such a column"
        source = f"nullif({quoted(column.name)}, '')" if found == "VARCHAR" else quoted(column.name)
        value, reason, in_place = (sql.replace("$x", source) for sql in how)
        if found == INT96:
            value = value.replace("$is_finer", _in_rows(_rows_with_nanoseconds(shape, column.name)))
        is_refused = f"{source} is not null and ({value}) is null" if reason else ""
        yield _Value(column.name, value, in_place, is_refused, reason)


def _rows_with_nanoseconds(shape: Shape, column: str) -> list[int]:
    """The rows (from 0) of a Parquet file whose INT96 timestamp is finer than microseconds.

    Years that nanoseconds in 64 bits do not reach wrap around, in both evenly.
    """
    with blaming([shape]):
        exact, whole = (
            parquet.read_table(shape.path, columns=[column], coerce_int96_timestamp_unit=unit)
            .column(0).cast(pa.int64()).fill_null(0).to_numpy()
            for unit in ("ns", "us")
        )  # fmt: skip
    return [int(row) for row in np.flatnonzero(exact != whole * 1000)]


def _in_rows(rows: Sequence[int]) -> str:
    return f"file_row_number in (select unnest({rows}::bigint[]))" if rows else "false"


def _refused(path: Path, line: int, fault: str, raw: bytes) -> Reject:
    faults = dict(part.split("\t") for part in fault.split("\n"))
    reasons = [f"{name}: {reason}" if len(faults) > 1 else reason for name, reason in faults.items()]
    return Reject(path, line, ", ".join(faults), "; ".join(reasons), _text(raw))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")[:LONGEST_RAW_TEXT]


def _parquet_texts(connection: DuckDB, shape: Shape, lines: Collection[int]) -> Mapping[int, bytes]:
    """Rows of a Parquet file as JSON."""
    rows = connection.execute(
        """select file_row_number + 1, json_merge_patch(to_json(source), '{"file_row_number": null}') """
        f"from {parquet_source([shape], 'file_row_number = true')} as source "
        f"where {_in_rows([line - 1 for line in lines])}"
    ).fetchall()
    return {line: text.encode() for line, text in rows}


def _numbered(shapes: Sequence[Shape]) -> str:
    shape = shapes[0]
    if any(name.casefold() == "file_row_number" for name, _ in shape.columns):
        raise SourceError(
            f"{shape} has a column file_row_number, the name that DuckDB gives its rows' numbers; rename it."
        )
    return parquet_source(shapes, f"file_row_number = true, filename = {literal(FILE)}")
