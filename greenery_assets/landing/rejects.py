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
from greenery_assets.landing.csv_lines import Record, records
from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.shapes import Shape, glob_escape, reading

LONGEST_LINE = 8_000_000
"""Bytes of the longest CSV row that is read; a longer one is rejected."""

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
    kinds of error DuckDB found. `faulty`: number of a row (from 0, among those read whole) -> the bits
    of its faulty columns. `read`: how many rows were read whole, faulty ones among them.
    """

    misshapen: dict[int, frozenset[str]] = field(default_factory=dict)
    faulty: dict[int, int] = field(default_factory=dict)
    read: int = 0

    def __len__(self) -> int:
        return len(self.misshapen) + len(self.faulty)


def csv_rejects(shape: Shape, contract: TableContract, marks: Marks) -> Iterator[Reject]:
    """The marked rows of a CSV file, in its order.

    Raises SourceError where quotation marks leave open which rows the file has.
    """
    positions = sorted(marks.misshapen)
    read = next_misshapen = 0
    with reading(shape.path):
        for record in records(shape.path):
            if next_misshapen < len(positions) and positions[next_misshapen] <= record.start:
                yield _misshapen(shape, record, marks.misshapen[positions[next_misshapen]])
                next_misshapen += 1
            else:
                if read in marks.faulty:
                    yield _faulty(shape, contract, record, marks.faulty[read])
                read += 1
    if (read, next_misshapen) != (marks.read, len(positions)):
        raise SourceError(
            f"{shape.path} has quotation marks that do not pair up, so that it is not certain where its rows "
            'begin; quote every value that holds a quotation mark, and double the mark inside it ("").'
        )


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
        yield _refused(contract, texts, marks.faulty[number], number + 1, raw)


def open_quote(shape: Shape, line: int) -> SourceError:
    """What to say of a CSV row that a quotation mark keeps from ending."""
    return SourceError(
        f"{shape.path} opens a quotation mark in the row at line {line} and does not close it there; close "
        "it, or double the mark if it belongs to the value."
    )


def _misshapen(shape: Shape, record: Record, kinds: frozenset[str]) -> Reject:
    raw = _text(record)
    wanted, found = len(shape.columns), len(_fields(raw))
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
        reason = f"too many fields: {found} of {wanted}"
    return Reject(record.line, None, reason, raw[:LONGEST_RAW_TEXT])


def _faulty(shape: Shape, contract: TableContract, record: Record, bits: int) -> Reject:
    raw = _text(record)
    texts = dict(zip((name for name, _ in shape.columns), _fields(raw), strict=False))
    return _refused(contract, texts, bits, record.line, raw)


def _refused(contract: TableContract, texts: Mapping[str, str], bits: int, line: int, raw: str) -> Reject:
    columns = [column for place, column in enumerate(contract.columns) if bits >> place & 1]
    reasons = [refusal(texts.get(column.name, ""), column.duckdb_type) for column in columns]
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
