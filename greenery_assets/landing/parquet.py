"""Parquet as DuckDB SQL: a source to insert from, and a view that reads typed files in place.

Here: building statements, with every name and path quoted. Not here: running them.
"""

from collections.abc import Sequence
from itertools import groupby

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.conversions import IN_YEARS, conversion
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


def can_stay_in_place(contract: TableContract, shapes: Sequence[Shape]) -> bool:
    """Whether all files are Parquet whose types convert on the fly, whatever the values."""
    return all(
        not shape.is_csv and (way := conversion(found, column.duckdb_type)) and way.unchecked
        for shape in shapes
        for types in [dict(shape.columns)]
        for column in contract.columns
        for found in [types[column.name]]
    )


def in_place_query(contract: TableContract, shapes: Sequence[Shape], file_column: str | None = None) -> str:
    """SQL of a view over the files: the contract's columns, names and types, in its order, and each row's path.

    Files of unlike columns or types are read apart: to unify a naive timestamp with one that has a time
    zone, DuckDB would bring in the time zone of the session.
    """
    parts = []
    for columns, group in groupby(shapes, key=lambda shape: shape.columns):
        types = dict(columns)
        values = []
        for column in contract.columns:
            way = conversion(types[column.name], column.duckdb_type)
            assert way is not None, "read_shapes refuses such a column"
            value = way.trust(parquet_column(column.name, types[column.name]))
            values.append(f"{value} as {quoted(column.name)}")
        values += [file_column] if file_column else []
        parts.append(f"select {', '.join(values)} from {parquet_source(list(group), file_column)}")
    return " union all ".join(parts)


def out_of_years(contract: TableContract) -> str:
    """SQL that is true where a timestamp lies beyond the years 1 to 9999, or is infinite."""
    names = [quoted(column.name) for column in contract.columns if column.duckdb_type == "TIMESTAMP"]
    return " or ".join(f"not {name} {IN_YEARS}" for name in names) or "false"
