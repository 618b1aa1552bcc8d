"""The rows of source files: typed into a table, or shown by a view of Parquet that is read in place.

Here: the statements that convert each value, and the rows that are set aside, put into words. Not here: how one value
becomes another (values.py), the lines of CSV (csv_rows.py), and which files are read (load.py).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from greenery_assets.landing.columns import Shape, glob_escape
from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.csv_rows import CsvRows, stream
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import reading
from greenery_assets.landing.values import INT96, conversion, literal, quoted

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
    """SQL of one column of a file: converted, converted in a view, whether it is refused (None: never), and why."""

    name: str
    value: str
    in_place: str | None
    is_refused: str | None
    reason: str


def create(connection: duckdb.DuckDBPyConnection, target: str, contract: TableContract) -> None:
    """Creates the table `target` (quoted SQL) for `fill`, if it is not there: the contract's columns, then ours.

    FILE has the path of the file that a row came from.
    """
    columns = ", ".join(f"{quoted(column.name)} {column.duckdb_type}" for column in contract.columns)
    connection.execute(
        f"create table if not exists {target} ({columns}, {_LINE} bigint, {_FAULT} varchar, {FILE} varchar)"
    )


def fill(
    connection: duckdb.DuckDBPyConnection, target: str, contract: TableContract, shapes: Sequence[Shape]
) -> list[Reject]:
    """Adds the files' rows, in order, to a table of `create`; returns those set aside.

    Raises SourceError when a file cannot be read to its end, or when more than MOST_REJECTS rows do not fit.
    """
    rejects: list[Reject] = []
    csv_rows: dict[Path, CsvRows] = {}
    for _, group in groupby(shapes, key=_alike):
        alike = list(group)
        if not alike[0].is_csv:
            with blaming(alike):
                selected = _select(contract, alike[0], "file_row_number + 1", FILE)
                connection.execute(f"insert into {target} {selected} from {_numbered(alike)}")
            continue
        wanted = [column.name for column in contract.columns]
        csv_rows |= {s.path: CsvRows(s.path, [name for name, _ in s.columns], wanted, MOST_REJECTS) for s in alike}
        connection.register("landing_rows", stream([csv_rows[shape.path] for shape in alike]))
        paths = ", ".join(literal(str(shape.path)) for shape in alike)
        try:
            selected = _select(contract, alike[0], "line", f"list_extract([{paths}], file)")
            connection.execute(f"insert into {target} {selected} from landing_rows")
        except duckdb.Error as error:
            raise next((rows.error for rows in csv_rows.values() if rows.error), error) from None
        connection.unregister("landing_rows")
    for path, rows in csv_rows.items():
        rejects += [Reject(path, line, None, reason, _text(raw)) for line, reason, raw in rows.misshapen]
    _refuse_too_many(contract, len(rejects))
    faulty = connection.execute(
        f"select {FILE}, {_LINE}, {_FAULT} from {target} where {_FAULT} is not null order by all limit ?",
        [MOST_REJECTS + 1],
    ).fetchall()
    _refuse_too_many(contract, len(rejects) + len(faulty))
    by_path = {str(shape.path): shape for shape in shapes}
    for path, found in groupby(faulty, key=lambda row: row[0]):
        shape, faults = by_path[path], {line: fault for _, line, fault in found}
        texts = csv_rows[shape.path].texts(faults) if shape.is_csv else _parquet_texts(connection, shape, faults)
        rejects += [_refused(shape, line, fault, texts[line]) for line, fault in faults.items()]
    if faulty:
        connection.execute(f"delete from {target} where {_FAULT} is not null")
    return sorted(rejects)


def _alike(shape: Shape) -> tuple[object, ...]:
    """Neighbours of which this is equal can be read by one statement, which costs more than a small file."""
    found = [found for _, found in shape.columns]
    return (True,) if shape.is_csv else (False, shape.columns, shape.path if INT96 in found else None)


def _select(contract: TableContract, shape: Shape, line: str, file: str) -> str:
    """SQL of the columns of `create` from the file's; `line` and `file` are SQL too."""
    values = list(_values(contract, shape))
    faults = [
        f"case when {value.is_refused} then {literal(value.name)} || chr(9) || {value.reason} end"
        for value in values
        if value.is_refused
    ]
    fault = f"nullif(concat_ws(chr(10), {', '.join(faults)}), '')" if faults else "null"
    return f"select {', '.join([*(value.value for value in values), line, fault, file])}"


def _values(contract: TableContract, shape: Shape) -> Iterator[_Value]:
    types = dict(shape.columns)
    for number, column in enumerate(contract.columns):
        found = types[column.name]
        how = conversion(found, column.data_type)
        assert how is not None, "read_shapes refuses such a column"
        source = f"c{number}" if shape.is_csv else quoted(column.name)
        source = f"nullif({source}, '')" if found == "VARCHAR" else source
        value, reason = how.value.replace("$x", source), how.reason.replace("$x", source)
        in_place = how.in_place and how.in_place.replace("$x", source)
        if found == INT96:
            value = value.replace("$is_finer", _in_rows(_rows_with_nanoseconds(shape, column.name)))
        is_refused = None if value == in_place else f"{source} is not null and ({value}) is null"
        yield _Value(column.name, value, in_place, is_refused, reason)


def _rows_with_nanoseconds(shape: Shape, column: str) -> list[int]:
    """The rows (from 0) of a Parquet file whose INT96 timestamp is finer than microseconds.

    Years that nanoseconds in 64 bits do not reach wrap around, in both evenly.
    """
    import pyarrow as pa  # noqa: PLC0415  few files need it
    from pyarrow import parquet  # noqa: PLC0415

    with blaming([shape]):
        exact, whole = (
            parquet.read_table(shape.path, columns=[column], coerce_int96_timestamp_unit=unit)
            .column(0).cast(pa.int64()).fill_null(0).to_numpy()
            for unit in ("ns", "us")
        )  # fmt: skip
    return [int(row) for row in np.flatnonzero(exact != whole * 1000)]


def _in_rows(rows: Sequence[int]) -> str:
    return f"file_row_number in (select unnest({list(rows)}::bigint[]))" if rows else "false"


def _refused(shape: Shape, line: int, fault: str, raw: bytes) -> Reject:
    faults = dict(part.split("\t") for part in fault.split("\n"))
    reasons = [f"{name}: {reason}" if len(faults) > 1 else reason for name, reason in faults.items()]
    return Reject(shape.path, line, ", ".join(faults), "; ".join(reasons), _text(raw))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")[:LONGEST_RAW_TEXT]


def _parquet_texts(
    connection: duckdb.DuckDBPyConnection, shape: Shape, lines: Mapping[int, str]
) -> Mapping[int, bytes]:
    """Rows of a Parquet file as JSON."""
    cursor = connection.execute(
        f"select *, file_row_number + 1 from {_numbered([shape])} where {_in_rows([line - 1 for line in lines])}"
    )
    names = [name for name, _ in shape.columns]
    return {
        row[-1]: json.dumps(dict(zip(names, row, strict=False)), default=str, ensure_ascii=False).encode()
        for row in cursor.fetchall()
    }


def _numbered(shapes: Sequence[Shape]) -> str:
    shape = shapes[0]
    if any(name.casefold() == "file_row_number" for name, _ in shape.columns):
        raise SourceError(
            f"{shape} has a column file_row_number, the name that DuckDB gives its rows' numbers; rename it."
        )
    return parquet_source(shapes, f"file_row_number = true, filename = {literal(FILE)}")


def _refuse_too_many(contract: TableContract, rejects: int) -> None:
    if rejects > MOST_REJECTS:
        raise SourceError(
            f"More than {MOST_REJECTS:,} rows of the table {contract.name} do not fit its contract, so nothing "
            "was loaded; look whether its files are those of another table or another version of it."
        )


def parquet_source(shapes: Sequence[Shape], options: str) -> str:
    """SQL that reads Parquet files of equal columns."""
    paths = ", ".join(literal(glob_escape(shape.path)) for shape in shapes)
    # Folders such as day=2021-02-10 above the files would otherwise become columns.
    return f"read_parquet([{paths}], hive_partitioning = false, {options})"


def can_stay_in_place(contract: TableContract, shape: Shape) -> bool:
    """Whether a file is Parquet whose types convert on the fly, if no value of it is a stray (see `in_place_query`)."""
    types = dict(shape.columns)
    found = [conversion(types[column.name], column.data_type) for column in contract.columns]
    return not shape.is_csv and all(how and how.in_place for how in found)


def in_place_query(contract: TableContract, shapes: Sequence[Shape], file: str, *, stray: str = "") -> str:
    """SQL of a view over the files: the contract's columns, names and types, in its order, and each row's path.

    A column `stray` is true where a value is refused: a NUL in a text, a year 10000. Files of unlike columns or types
    are read apart: to unify a naive timestamp with one that has a time zone, DuckDB would bring in the time zone of
    the session.
    """
    parts = []
    for _, group in groupby(shapes, key=lambda shape: shape.columns):
        alike = list(group)
        values = list(_values(contract, alike[0]))
        selected = [*(f"{value.in_place} as {quoted(value.name)}" for value in values), file]
        if stray:
            selected.append(f"{' or '.join(f'({v.is_refused})' for v in values if v.is_refused) or 'false'} as {stray}")
        parts.append(f"select {', '.join(selected)} from {parquet_source(alike, f'filename = {literal(file)}')}")
    return " union all ".join(parts)


@contextmanager
def blaming(shapes: Sequence[Shape]) -> Iterator[None]:
    """Turns an error over Parquet files into a SourceError that names the file at fault, if it is one's."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        for shape in shapes:
            with reading(shape.path), shape.path.open("rb"):
                pass
            if not _is_whole(shape):
                raise SourceError(
                    f"{shape} cannot be read to its end; write it again or fetch it once more."
                ) from error
        raise


def _is_whole(shape: Shape) -> bool:
    try:
        with duckdb.connect() as scratch:
            scratch.execute(f"select max(hash(source)) from {parquet_source([shape], 'filename = false')} source")
    except duckdb.Error:
        return False
    return True
