"""What a file says of itself before its rows are read: CSV headers and Parquet schemas.

Here: columns found, held against the contract, so that a wrong file is named before any heavy work.
Not here: values (conversions.py) and rows (load.py).
"""

import csv
import difflib
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.conversions import INT96, conversion
from greenery_assets.landing.csv_lines import is_last_line_open
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import Identity, identity, named, reading
from greenery_assets.landing.formats import mistaken_for_csv, mistaken_for_parquet, most_are_named, other_separator

# No header is longer; a file whose first line is has no lines at all.
_LONGEST_HEADER = 4_000_000
_BOM = b"\xef\xbb\xbf"
# A text of an error names so many columns of a file.
_NAMED_COLUMNS = 30

# A file that changed less than so many seconds ago may still be written. A time ahead of the clock counts as now, as
# clocks of machines differ; one that is further ahead is a wrong clock's, and must not keep a file out for ever.
_STILL_WRITTEN = 60
_CLOCKS_DIFFER = 86_400


@dataclass(frozen=True)
class Shape:
    """One file: where it is, its state when that was found, and its columns with their DuckDB types, in file order."""

    path: Path
    is_csv: bool
    identity: Identity
    columns: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return named(self.path)

    @property
    def bytes(self) -> int:
        """The size of the file."""
        return self.identity.bytes

    @property
    def position(self) -> dict[str, int]:
        """Column name -> its place in the file, from 0."""
        return {name: place for place, (name, _) in enumerate(self.columns)}


def read_shapes(paths: Sequence[Path], contract: TableContract) -> tuple[Shape, ...]:
    """The shapes of a table's CSV and Parquet files, found to hold every column of the contract.

    Raises SourceError when a file cannot be read, has no header, may still be written, lacks a column, has one
    twice, or has one of a type that cannot become the contract's.
    """
    states = {path: identity(path) for path in paths}
    columns = _parquet_columns([path for path in paths if not is_csv(path)])
    shapes = []
    for path in paths:
        if is_csv(path):
            with reading(path):
                columns[path] = _csv_columns(path, contract)
        shape = Shape(path, is_csv(path), states[path], columns[path])
        _refuse_wrong_columns(shape, contract)
        if shape.is_csv:
            _refuse_open_end(shape, contract)
        shapes.append(shape)
    return tuple(shapes)


def is_csv(path: Path) -> bool:
    """Whether a file is CSV by its name; else it is Parquet."""
    return path.suffix.lower() == ".csv"


def _csv_columns(path: Path, contract: TableContract) -> tuple[tuple[str, str], ...]:
    with path.open("rb") as file:
        if mistaken := mistaken_for_csv(file.read(200)):
            raise SourceError(f"{named(path)} {mistaken}.")
        file.seek(0)
        pieces = [file.readline(_LONGEST_HEADER)]
        quotes, size = pieces[0].count(b'"'), len(pieces[0])
        # A quoted name may hold line breaks.
        while quotes % 2 and size < _LONGEST_HEADER and (more := file.readline(_LONGEST_HEADER)):
            pieces.append(more)
            quotes, size = quotes + more.count(b'"'), size + len(more)
    first = b"".join(pieces)
    try:
        header = first.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{named(path)} is not UTF-8 (line 1); save it as CSV with the encoding UTF-8.") from error
    if not header.strip():
        what = "is empty" if not first else "begins with an empty line"
        raise SourceError(f"{named(path)} {what}; its first line must be a header that names the columns.")
    if "\0" in header:
        raise SourceError(f"{named(path)} has a NUL character in its header (line 1); write it again.")
    if "\r" in re.sub('"[^"]*"', "", header).rstrip("\r\n"):
        raise SourceError(
            f"{named(path)} ends its lines with a carriage return alone; save it with the line ending LF or CRLF."
        )
    if size >= _LONGEST_HEADER and not header.endswith("\n"):
        raise SourceError(
            f"{named(path)} has a first line of more than {_LONGEST_HEADER:,} bytes; look whether it is CSV with one "
            "row a line."
        )
    wanted, fault = [column.name for column in contract.columns], ""
    try:
        names = next(csv.reader([header], strict=True))
    except csv.Error as error:
        names, fault = [], str(error)
    if not most_are_named(names, wanted) and (other := other_separator(header, wanted)):
        raise SourceError(f"{named(path)} {other}.")
    if not names:
        raise SourceError(f"{named(path)} has a header that is not CSV (line 1): {fault}.")
    return tuple((name, "VARCHAR") for name in names)


def _refuse_open_end(shape: Shape, contract: TableContract) -> None:
    """A last line without its end may be half of one: 4 for 42."""
    with reading(shape.path):
        if not is_last_line_open(shape.path):
            return
    age = time.time() - shape.identity.modified_ns / 1e9
    is_recent = -_CLOCKS_DIFFER < age < _STILL_WRITTEN
    if contract.last_line_may_be_open and not is_recent:
        return
    remedy = (
        f"Run again when it has not changed for {_STILL_WRITTEN} seconds."
        if contract.last_line_may_be_open
        else "Run again when it is whole; if it is, end its last line with a line break."
    )
    raise SourceError(f"The last line of {shape} has no line break at its end: is it still being written? {remedy}")


def _parquet_columns(paths: Sequence[Path]) -> dict[Path, tuple[tuple[str, str], ...]]:
    found: dict[Path, tuple[tuple[str, str], ...]] = {}
    if not paths:  # a connection costs more than a header
        return found
    with duckdb.connect() as scratch:
        for path in paths:
            with reading(path), path.open("rb") as file:  # the operating system's own word, before DuckDB's
                mistaken = mistaken_for_parquet(file.read(200))
            try:
                columns = scratch.execute(
                    "select * from read_parquet(?, hive_partitioning = false) limit 0", [[glob_escape(path)]]
                ).description
                stored = scratch.execute(_STORED, [glob_escape(path)]).fetchall()
            except duckdb.Error as error:
                what = mistaken or "is not a whole Parquet file; write it again or fetch it once more"
                raise SourceError(f"{named(path)} {what}.") from error
            types = dict(stored)
            found[path] = tuple((column[0], types.get(column[0], str(column[1]))) for column in columns)
    return found


# Types that DuckDB's SQL reads as others, with loss: INT96 by its nanoseconds, a wide decimal as a double.
_STORED = f"""
select name, case when type = 'INT96' then '{INT96}' else format('DECIMAL({{}},{{}})', precision, scale) end
from parquet_schema(?) where type = 'INT96' or precision > 38
"""


def _refuse_wrong_columns(shape: Shape, contract: TableContract) -> None:
    names = [name for name, _ in shape.columns]
    if not most_are_named(names, [column.name for column in contract.columns]):
        # Not quoted: where the header is missing, these are somebody's name and mail address.
        start = "does not begin with a header" if shape.is_csv else "is not the table"
        where = "in its first line" if shape.is_csv else "in it"
        raise SourceError(
            f"{shape} {start}: most columns of {contract.name} are not named {where}. Make "
            f"it {', '.join(column.name for column in contract.columns)}."
        )
    # A name that the contract does not know may be a person's: its place is shown.
    known = {column.name for column in contract.columns}
    shown = [
        name if _folded(name) in known else f"(column {place})" if name else "(no name)"
        for place, name in enumerate(names, start=1)
    ]
    found = f"It has {', '.join(shown[:_NAMED_COLUMNS])}"
    found += f" and {len(names) - _NAMED_COLUMNS:,} others." if len(names) > _NAMED_COLUMNS else "."
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise SourceError(f"{shape} has the column {shown[names.index(name)]} more than once; leave one. {found}")
    types = dict(shape.columns)
    for column in contract.columns:
        if column.name not in types:
            raise SourceError(
                f"{shape} lacks the column {column.name}{_near(column.name, names, shown)}; add or rename it. {found}"
            )
        if conversion(types[column.name], column.duckdb_type) is None:
            raise SourceError(
                # The names and values within a type are the file's.
                f"{shape} holds the column {column.name} as {types[column.name].partition('(')[0]}, which cannot "
                f"become {column.data_type}; write it as {column.duckdb_type} or as text."
            )


def _folded(name: str) -> str:
    return "_".join(name.casefold().split())


def _near(wanted: str, names: Sequence[str], shown: Sequence[str]) -> str:
    by_fold = dict(zip(map(_folded, names), shown, strict=True))
    close = difflib.get_close_matches(wanted.casefold(), by_fold, n=1, cutoff=0.7)
    return f' ("{by_fold[close[0]]}" comes near, but names must be equal to the letter)' if close else ""


def glob_escape(path: Path) -> str:
    """The path in DuckDB's file lists, which it would otherwise take for patterns: `[ab].csv` for `a.csv`."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))
