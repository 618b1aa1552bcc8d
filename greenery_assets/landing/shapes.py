"""What a file says of itself before its rows are read: CSV headers and Parquet schemas.

Here: columns found, held against the contract, so that a wrong file is named before any heavy work.
Not here: values (conversions.py) and rows (load.py).
"""

import csv
import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.conversions import conversion
from greenery_assets.landing.errors import SourceError

# No header is longer; a file whose first line is has no lines at all.
_LONGEST_HEADER = 1_000_000
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Shape:
    """One file: where it is, its size in bytes, and its columns with their DuckDB types, in file order."""

    path: Path
    is_csv: bool
    bytes: int
    columns: tuple[tuple[str, str], ...]

    @property
    def position(self) -> dict[str, int]:
        """Column name -> its place in the file, from 0."""
        return {name: place for place, (name, _) in enumerate(self.columns)}


def read_shapes(paths: Sequence[Path], contract: TableContract) -> tuple[Shape, ...]:
    """The shapes of a table's CSV and Parquet files, found to hold every column of the contract.

    Raises SourceError when the file cannot be read, has no header, lacks a column, has one twice, or
    has one of a type that cannot become the contract's.
    """
    columns = _parquet_columns([path for path in paths if not _is_csv(path)])
    shapes = []
    for path in paths:
        with reading(path):
            if _is_csv(path):
                columns[path] = _csv_columns(path)
            shape = Shape(path, _is_csv(path), path.stat().st_size, columns[path])
        _refuse_wrong_columns(shape, contract)
        shapes.append(shape)
    return tuple(shapes)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals of a file into SourceError."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(f"{path} went away while it was read; put it back and run again.") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); grant access to it.") from error


def _csv_columns(path: Path) -> tuple[tuple[str, str], ...]:
    with path.open("rb") as file:
        first = file.readline(_LONGEST_HEADER)
        # A quoted name may hold line breaks.
        while first.count(b'"') % 2 and len(first) < _LONGEST_HEADER and (more := file.readline()):
            first += more
    try:
        header = first.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 (line 1); save it as CSV with the encoding UTF-8.") from error
    if not header.strip():
        what = "is empty" if not first else "begins with an empty line"
        raise SourceError(f"{path} {what}; its first line must be a header that names the columns.")
    if "\r" in header.rstrip("\r\n") and not header.endswith("\n"):
        raise SourceError(
            f"{path} ends its lines with a carriage return alone; save it with the line ending LF or CRLF."
        )
    try:
        names = next(csv.reader([header], strict=True))
    except csv.Error as error:
        raise SourceError(f"{path} has a header that is not CSV (line 1): {error}.") from error
    return tuple((name, "VARCHAR") for name in names)


def _parquet_columns(paths: Sequence[Path]) -> dict[Path, tuple[tuple[str, str], ...]]:
    found: dict[Path, tuple[tuple[str, str], ...]] = {}
    if not paths:  # a connection costs more than a header
        return found
    with duckdb.connect() as scratch:
        for path in paths:
            with reading(path), path.open("rb"):  # the operating system's own word, before DuckDB's
                pass
            try:
                columns = scratch.execute(
                    "select * from read_parquet(?, hive_partitioning = false) limit 0", [[glob_escape(path)]]
                ).description
            except duckdb.Error as error:
                raise SourceError(
                    f"{path} is not a whole Parquet file; write it again or fetch it once more."
                ) from error
            found[path] = tuple((column[0], str(column[1])) for column in columns)
    return found


def _refuse_wrong_columns(shape: Shape, contract: TableContract) -> None:
    names = [name for name, _ in shape.columns]
    folded = {name.strip().casefold() for name in names}
    if 2 * sum(column.name in folded for column in contract.columns) < len(contract.columns):
        # Not quoted: where the header is missing, these are somebody's name and mail address.
        raise SourceError(
            f"{shape.path} does not begin with a header: most columns of {contract.name} are not named in its first "
            f"line. Make it {', '.join(column.name for column in contract.columns)}."
        )
    # A name that the contract does not know may be a person's: its place is shown.
    known = {column.name for column in contract.columns}
    shown = [
        name if _folded(name) in known else f"(column {place})" if name else "(no name)"
        for place, name in enumerate(names, start=1)
    ]
    found = f"It has {', '.join(shown)}."
    for name, words in zip(names, shown, strict=True):
        if names.count(name) > 1:
            raise SourceError(f"{shape.path} has the column {words} more than once; leave one. {found}")
    types = dict(shape.columns)
    for column in contract.columns:
        if column.name not in types:
            raise SourceError(
                f"{shape.path} lacks the column {column.name}{_near(column.name, names, shown)}; add or rename it. "
                f"{found}"
            )
        if conversion(types[column.name], column.duckdb_type) is None:
            raise SourceError(
                # The names and values within a type are the file's.
                f"{shape.path} holds the column {column.name} as {types[column.name].partition('(')[0]}, which cannot "
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
