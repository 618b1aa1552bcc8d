"""Parquet as DuckDB SQL: a source to insert from, and a view that reads typed files in place.

Here: building statements, with every name and path quoted. Not here: running them.
"""

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.conversions import conversion
from greenery_assets.landing.shapes import Shape, glob_escape


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def parquet_source(shapes: Sequence[Shape], file_column: str | None = None) -> str:
    """SQL that reads files of equal columns, optionally with each row's path in `file_column`."""
    paths = ", ".join(literal(glob_escape(shape.path)) for shape in shapes)
    filename = f", filename = '{file_column}'" if file_column else ""
    # Folders such as day=2021-02-10 above the files would otherwise become columns.
    return f"read_parquet([{paths}], hive_partitioning = false{filename})"


def parquet_column(name: str, found: str) -> str:
    """SQL of a Parquet column; an empty text is null, as it is in CSV."""
    return f"nullif({quoted(name)}, '')" if found == "VARCHAR" else quoted(name)


def can_stay_in_place(contract: TableContract, shape: Shape) -> bool:
    """Whether a file is Parquet whose types convert on the fly, if no value of it is a stray (see `in_place_query`)."""
    types = dict(shape.columns)
    return not shape.is_csv and all(
        (way := conversion(types[column.name], column.duckdb_type)) is not None and way.unchecked
        for column in contract.columns
    )


def in_place_query(
    contract: TableContract,
    shapes: Sequence[Shape],
    file_column: str | None = None,
    stray_column: str | None = None,
) -> str:
    """SQL of a view over the files: the contract's columns, names and types, in its order, and each row's path.

    `stray_column` is true where a value does not convert: a NUL in a text, a year 10000. Files of unlike columns or
    types are read apart: to unify a naive timestamp with one that has a time zone, DuckDB would bring in the time
    zone of the session.
    """
    parts = []
    for columns, group in groupby(shapes, key=lambda shape: shape.columns):
        types = dict(columns)
        values, strays = [], []
        for column in contract.columns:
            way = conversion(types[column.name], column.duckdb_type)
            assert way is not None, "read_shapes refuses such a column"
            source = parquet_column(column.name, types[column.name])
            values.append(f"{way.trust(source)} as {quoted(column.name)}")
            if way.check(source) != way.trust(source):
                strays.append(f"({source} is not null and ({way.check(source)}) is null)")
        values += [file_column] if file_column else []
        values += [f"{' or '.join(strays) or 'false'} as {stray_column}"] if stray_column else []
        parts.append(f"select {', '.join(values)} from {parquet_source(list(group), file_column)}")
    return " union all ".join(parts)


def lost_digits(shape: Shape, column: str, microseconds: Sequence[int | None]) -> list[int]:
    """The rows (from 0) of a Parquet file whose INT96 timestamp holds more than the microseconds DuckDB read of it.

    Each is given in microseconds since 1970. Years that nanoseconds in 64 bits do not reach wrap around, evenly.
    """
    import pyarrow as pa  # noqa: PLC0415  few files need it
    import pyarrow.parquet as pq  # noqa: PLC0415

    nanoseconds = pq.read_table(shape.path, columns=[column]).column(0).cast(pa.int64())
    read = pa.array(microseconds, pa.int64())
    there = np.asarray(read.is_valid())
    exact, whole = (np.asarray(values.fill_null(0)).astype(np.uint64) for values in (nanoseconds, read))
    return [int(row) for row in np.flatnonzero((exact != whole * np.uint64(1000)) & there)]
