"""What a file says of itself before its rows are read: CSV headers and Parquet schemas.

Here: what kind of file it is by its first bytes, and its columns, held against the contract, so that a wrong file is
named with its cause before any heavy work. Not here: values (values.py) and rows (rows.py).
"""

import difflib
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.csv_rows import LONGEST_NAME, records
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import identity, reading
from greenery_assets.landing.values import INT96, conversion, literal
from greenery_assets.warehouse import DuckDB
from greenery_assets.warehouse.loads import Shape

_SAVE = "save it as CSV, comma separated, with the encoding UTF-8"
_UNPACK = "unpack it"
_EXPORT = "export it as CSV or Parquet"
_NO_UTF_8 = "not UTF-8 (line 1) but"

# The first bytes of a file, what it is, what to do.
_SIGNATURES = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive", f"unpack it, or {_SAVE}"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of the old kind", _SAVE),
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"PAR1", "Parquet", "end its name in .parquet"),
    (b"ORC", "ORC", _EXPORT),
    (b"Obj\x01", "Avro", _EXPORT),
    (b"ARROW1", "Arrow IPC (Feather)", _EXPORT),
    (b"%PDF", "a PDF", _EXPORT),
    (b"SQLite format 3", "a SQLite database", _EXPORT),
    (b"\xff\xfe\0\0", f"{_NO_UTF_8} UTF-32", _SAVE),
    (b"\0\0\xfe\xff", f"{_NO_UTF_8} UTF-32", _SAVE),
    (b"\xff\xfe", f"{_NO_UTF_8} UTF-16", _SAVE),
    (b"\xfe\xff", f"{_NO_UTF_8} UTF-16", _SAVE),
)
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars (|)", " ": "blanks"} | {
    other: f"the character {other!r}" for other in ":^~\x01\x1f"
}

# A text of an error names so many columns of a file.
_NAMED_COLUMNS = 30

# A file that changed less than so many seconds ago may still be written. A time ahead of the clock counts as now, as
# clocks of machines differ; one that is further ahead is a wrong clock's, and must not keep a file out for ever.
_STILL_WRITTEN = 60
_CLOCKS_DIFFER = 86_400

# Types that DuckDB's SQL reads as others, with loss: INT96 by its nanoseconds, a wide decimal as a double.
_STORED = f"""
select name, case when type = 'INT96' then '{INT96}' else format('DECIMAL({{}},{{}})', precision, scale) end
from parquet_schema(?) where type = 'INT96' or precision > 38
"""


def read_shapes(paths: Sequence[Path], contract: TableContract) -> tuple[Shape, ...]:
    """The shapes of a table's CSV and Parquet files, found to hold every column of the contract.

    Raises SourceError when a file cannot be read, has no header, may still be written, lacks a column, has one
    twice, or has one of a type that cannot become the contract's.
    """
    with duckdb.connect() as scratch:
        return tuple(_read_shape(path, contract, scratch) for path in paths)


def _read_shape(path: Path, contract: TableContract, scratch: DuckDB) -> Shape:
    shape = Shape(path, identity(path), ())
    with reading(path), path.open("rb") as file:
        if mistaken := _mistaken(file.read(200), "CSV" if shape.is_csv else "Parquet"):
            raise SourceError(f"{shape} {mistaken}.")
    columns = _csv_columns(shape, contract) if shape.is_csv else _parquet_columns(shape, scratch)
    shape = replace(shape, columns=columns)
    _refuse_wrong_columns(shape, contract)
    if shape.is_csv:
        _refuse_open_end(shape, contract)
    return shape


def _csv_columns(shape: Shape, contract: TableContract) -> tuple[tuple[str, str], ...]:
    with reading(shape.path), shape.path.open("rb") as file:
        header = next(records(shape.path, file, longest=LONGEST_NAME), None)
    if header is None or not header.raw.strip():
        what = "begins with an empty line" if header else "is empty"
        raise SourceError(f"{shape} {what}; its first line must be a header that names the columns.")
    if b"\0" in header.raw:
        raise SourceError(f"{shape} has a NUL character in its header (line 1); write it again.")
    if b"\r" in re.sub(rb'"[^"]*"', b"", header.raw):
        raise SourceError(
            f"{shape} ends its lines with a carriage return alone; save it with the line ending LF or CRLF."
        )
    names = header.fields or []
    other = _other_separator(header.raw.decode("utf-8-sig"), contract.names)
    if other and not _most_are_named(names, contract.names):
        raise SourceError(f"{shape} {other}.")
    if header.fields is None:
        raise SourceError(
            f"{shape} has a header that is not CSV (line 1): a name is quoted in part, or longer than "
            f"{LONGEST_NAME:,} characters; look whether its line breaks got lost."
        )
    return tuple((name, "VARCHAR") for name in names)


def _parquet_columns(shape: Shape, scratch: DuckDB) -> tuple[tuple[str, str], ...]:
    try:
        columns = scratch.execute(f"select * from {parquet_source([shape])} limit 0").description
        types = dict(scratch.execute(_STORED, [_glob_escape(shape.path)]).fetchall())
    except duckdb.Error as error:
        raise SourceError(f"{shape} is not a whole Parquet file; write it again or fetch it once more.") from error
    return tuple((column[0], types.get(column[0], str(column[1]))) for column in columns)


def parquet_source(shapes: Iterable[Shape], options: str = "filename = false") -> str:
    """SQL that reads Parquet files of equal columns."""
    # Folders such as day=2021-02-10 above the files would otherwise become columns.
    listed = ", ".join(literal(_glob_escape(shape.path)) for shape in shapes)
    return f"read_parquet([{listed}], hive_partitioning = false, {options})"


def _glob_escape(path: Path) -> str:
    """The path as DuckDB takes it in a list of files, of patterns in truth: `[[]ab].csv` for `[ab].csv`."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def _mistaken(start: bytes, kind: str) -> str | None:
    """What a file of this kind by its name is instead, by its first bytes, and what to do; None where it may be one."""
    for signature, what, remedy in _SIGNATURES:
        if start.startswith(signature) and what != kind:
            return f"is {what}{'' if what.startswith('not') else f', not {kind}'}; {remedy}"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:100].lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<error", b"<head", b"<body")):
        return "is a web page or XML, as servers send instead of a file when something went wrong; fetch it once more"
    if text.startswith((b"{", b"[{", b"[[")):
        return f"is JSON, not {kind}; {_EXPORT}"
    pair = start[:64]
    if kind == "CSV" and len(pair) > 3 and (not any(pair[1::2]) or not any(pair[::2])):
        return f"is {_NO_UTF_8} UTF-16; {_SAVE}"
    return None


def _other_separator(header: str, columns: Collection[str]) -> str | None:
    """What is wrong with a header that names most columns if it is split otherwise, else None.

    Excel writes a first line `sep=;` that only Excel reads.
    """
    first = header.splitlines()[0] if header else ""
    if (declared := first.strip().strip('"').lower()).startswith("sep="):
        save = "" if declared[4:5] == "," else " and save the file with commas"
        return f"begins with the line {first.strip()!r}, which only Excel reads; remove that line{save}"
    for separator, name in _SEPARATORS.items():
        if separator in first and _most_are_named([part.strip('"') for part in first.split(separator)], columns):
            return f"separates its columns with {name}; save it with commas (a value with a comma in it in quotes)"
    return None


def _most_are_named(names: Collection[str], columns: Collection[str]) -> bool:
    """Whether at least half of the contract's columns are among a header's names, give or take case and blanks."""
    return 2 * len(set(columns) & set(map(_folded, names))) >= len(columns)


def _refuse_open_end(shape: Shape, contract: TableContract) -> None:
    """A last line without its end may be half of one: 4 for 42."""
    with reading(shape.path), shape.path.open("rb") as file:
        file.seek(-1, 2)
        if file.read() == b"\n":
            return
    age = time.time() - shape.identity.modified_ns / 1e9
    remedy = "Run again when it is whole; if it is, end its last line with a line break."
    if contract.last_line_may_be_open:
        if not -_CLOCKS_DIFFER < age < _STILL_WRITTEN:
            return
        remedy = f"Run again when it has not changed for {_STILL_WRITTEN} seconds."
    raise SourceError(f"The last line of {shape} has no line break at its end: is it still being written? {remedy}")


def _refuse_wrong_columns(shape: Shape, contract: TableContract) -> None:
    names, wanted = [name for name, _ in shape.columns], contract.names
    if not _most_are_named(names, wanted):
        # Not quoted: where the header is missing, these are somebody's name and mail address.
        start = "does not begin with a header" if shape.is_csv else "is not the table"
        where = "its first line" if shape.is_csv else "it"
        raise SourceError(
            f"{shape} {start}: most columns of {contract.name} are not named in {where}. Make it {', '.join(wanted)}."
        )
    # A name that the contract does not know may be a person's: its place is shown.
    shown = [
        name if _folded(name) in wanted else f"(column {place})" if name else "(no name)"
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
            by_fold = dict(zip(map(_folded, names), shown, strict=True))
            near = difflib.get_close_matches(column.name.casefold(), by_fold, n=1, cutoff=0.7)
            hint = f' ("{by_fold[near[0]]}" comes near, but names must be equal to the letter)' if near else ""
            raise SourceError(f"{shape} lacks the column {column.name}{hint}; add or rename it. {found}")
        if conversion(types[column.name], column.data_type) is None:
            raise SourceError(
                # The names and values within a type are the file's.
                f"{shape} holds the column {column.name} as {types[column.name].partition('(')[0]}, which cannot "
                f"become {column.data_type}; write it as such or as text."
            )


def _folded(name: str) -> str:
    return "_".join(name.casefold().split())
