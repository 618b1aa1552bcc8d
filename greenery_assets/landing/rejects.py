"""Rows that were set aside: found again in their file and put into words.

Here: from what DuckDB marked (a byte position, a row's number, the bits of its faulty columns) to one
Reject a row. Not here: deciding what is faulty (conversions.py, typed.py).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import duckdb

from greenery_assets.landing.contract import TableContract
from greenery_assets.landing.conversions import refusal
from greenery_assets.landing.csv_lines import Record, find_long_line, records
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import reading
from greenery_assets.landing.shapes import Shape, glob_escape

LONGEST_LINE = 8_000_000
"""Bytes of the longest CSV row that is read; a longer one is rejected."""

SURPLUS = 1 << 62
"""The bit, above those of the contract's columns, of a row with more fields than the header has columns."""

LONGEST_RAW_TEXT = 65_536
"""Characters of a rejected row that are kept."""


@dataclass(frozen=True)
class Reject:
    """One row set aside: the columns of quality.rejected_rows but for table and file.

    `line` counts from 1: a CSV file's physical line, a Parquet file's row.
    """

    line: int
    column_name: str | None
    reason: str
    raw_text: str


@dataclass
class Marks:
    """What was marked in one file while it was read.

    `misshapen`: byte position of a CSV row (from 0, or of the line end or empty lines before it) -> the
    kinds of error DuckDB found. `faulty`: number of a row (from 0, among those read) -> the bits of its faulty
    columns, or SURPLUS. `read`: how many rows were read, faulty ones among them.
    """

    misshapen: dict[int, frozenset[str]] = field(default_factory=dict)
    faulty: dict[int, int] = field(default_factory=dict)
    read: int = 0

    def __len__(self) -> int:
        return len(self.misshapen) + len(self.faulty)


def csv_rejects(shape: Shape, contract: TableContract, marks: Marks) -> Iterator[Reject]:
    """The marked rows of a CSV file, in its order.

    Raises SourceError as `read_rows` does.
    """
    for read, record, kinds in read_rows(shape, marks):
        if kinds:
            yield _misshapen(shape, record, kinds)
        elif read in marks.faulty:
            yield _faulty(shape, contract, record, marks.faulty[read])


def read_rows(shape: Shape, marks: Marks) -> Iterator[tuple[int, Record, frozenset[str]]]:
    """Every row of a CSV file, its number among those read and the kinds of error DuckDB found in it.

    Raises SourceError where the file has other rows than DuckDB found: no line is ever lost.
    """
    positions = sorted(marks.misshapen)
    read = next_misshapen = 0
    none: frozenset[str] = frozenset()
    with reading(shape.path):
        for record in records(shape.path, with_empty=len(shape.columns) == 1):
            # A position may be that of empty lines before the row; an empty line is never misshapen itself.
            if record.raw and next_misshapen < len(positions) and positions[next_misshapen] <= record.start:
                yield read, record, marks.misshapen[positions[next_misshapen]]
                next_misshapen += 1
            else:
                yield read, record, none
                read += 1
        if (read, next_misshapen) != (marks.read, len(positions)):
            raise _other_rows(shape, read + next_misshapen, marks.read + len(positions))


def _other_rows(shape: Shape, there: int, found: int) -> SourceError:
    if line := find_long_line(shape.path, LONGEST_LINE):
        return SourceError(
            f"Line {line} of {shape} is longer than {LONGEST_LINE:,} bytes, and what follows cannot be told from it; "
            "look whether its line breaks got lost, and write it again."
        )
    with shape.path.open("rb") as file:
        has_quotes = any(b'"' in line for line in file)
    if has_quotes:
        return SourceError(
            f"{shape} has quotation marks that do not pair up, so that it is not certain where its rows "
            'begin; quote every value that holds a quotation mark, and double the mark inside it ("").'
        )
    return SourceError(f"{shape} has {there:,} rows below its header, but {found:,} were read; write it again.")


def parquet_rejects(
    connection: duckdb.DuckDBPyConnection, shape: Shape, contract: TableContract, marks: Marks
) -> Iterator[Reject]:
    """The marked rows of a Parquet file, in its order; their raw text is the row as JSON."""
    cursor = connection.execute(
        "select * from read_parquet(?, file_row_number = true, hive_partitioning = false) "
        "where file_row_number in (select unnest(?::bigint[])) order by file_row_number",
        [[glob_escape(shape.path)], list(marks.faulty)],
    )
    names = [name for name, _ in shape.columns]
    for *values, number in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        texts = {name: str(value) for name, value in row.items()}
        raw = json.dumps(row, default=str, ensure_ascii=False)
        yield _refused(shape, contract, texts, marks.faulty[number], line=number + 1, raw=raw)


def open_quote(shape: Shape, line: int) -> SourceError:
    """What to say of a CSV row that a quotation mark keeps from ending."""
    return SourceError(
        f"{shape} opens a quotation mark in the row at line {line} and does not close it there; close "
        "it, or double the mark if it belongs to the value."
    )


def _misshapen(shape: Shape, record: Record, kinds: frozenset[str]) -> Reject:
    raw = _text(record)
    wanted, found = len(shape.columns), record.fields
    if kinds & {"UNQUOTED VALUE", "LINE SIZE OVER MAXIMUM"} and b"\n" in record.raw:
        # To go on would swallow good rows along with the bad one.
        raise open_quote(shape, record.line)
    if "LINE SIZE OVER MAXIMUM" in kinds:
        reason = f"longer than {LONGEST_LINE:,} bytes"
    elif "UNQUOTED VALUE" in kinds:
        reason = "a quotation mark that is not closed, or text after a closed one"
    elif "MISSING COLUMNS" in kinds:
        reason = f"too few fields: {found} of {wanted}"
    else:
        reason = _too_many_fields(shape, record)
    return Reject(record.line, None, reason, raw[:LONGEST_RAW_TEXT])


def _faulty(shape: Shape, contract: TableContract, record: Record, bits: int) -> Reject:
    raw = _text(record)
    if bits & SURPLUS:
        return Reject(record.line, None, _too_many_fields(shape, record), raw[:LONGEST_RAW_TEXT])
    texts = dict(zip((name for name, _ in shape.columns), _fields(raw), strict=False))
    return _refused(shape, contract, texts, bits, line=record.line, raw=raw)


def _too_many_fields(shape: Shape, record: Record) -> str:
    return f"too many fields: {record.fields} of {len(shape.columns)}"


def _refused(
    shape: Shape, contract: TableContract, texts: Mapping[str, str], bits: int, *, line: int, raw: str
) -> Reject:
    types = dict(shape.columns)
    columns = [column for place, column in enumerate(contract.columns) if bits >> place & 1]
    reasons = [refusal(texts.get(column.name, ""), types[column.name], column.duckdb_type) for column in columns]
    if len(columns) > 1:
        reasons = [f"{column.name}: {reason}" for column, reason in zip(columns, reasons, strict=True)]
    names = ", ".join(column.name for column in columns)
    return Reject(line, names, "; ".join(reasons), raw[:LONGEST_RAW_TEXT])


def _text(record: Record) -> str:
    return record.raw.decode("utf-8", errors="replace")


def _fields(raw: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(raw, newline="")))
    except csv.Error:  # one field of more than 128 KiB
        return raw.split(",")
