"""The rows of a CSV file: read by pyarrow where each line is a row, by Python's csv where it is not so plain.

Here: lines, quotation marks and fields, with the physical line of each row. Either reader has blocks of the file, so
that what is wrong in one costs nothing elsewhere. Not here: headers (columns.py) and values (values.py).
"""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from greenery_assets.landing.errors import SourceError
from greenery_assets.landing.files import reading
from greenery_assets.landing.values import LONGEST_ROW
from greenery_assets.warehouse import named

LONGEST_NAME = 131_072
"""Characters of the longest name of a column."""

_BLOCK = 4_000_000  # bytes
_MOST_IN_MEMORY = 4 * LONGEST_ROW
_BOM = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """One row: its first physical line (from 1), its bytes with their line breaks, and its fields.

    The fields are None where a quotation mark is not closed, or followed by text.
    """

    line: int
    content: bytes
    fields: list[str] | None

    @property
    def raw(self) -> bytes:
        """The row without the line break at its end."""
        return self.content.rstrip(b"\r\n")

    def fault(self, width: int) -> str | None:
        """Why it is no row of so many fields; None where it is one."""
        if len(self.raw) > LONGEST_ROW:
            return f"longer than {LONGEST_ROW:,} bytes"
        if self.fields is None:
            return "a quotation mark that is not closed, or text after a closed one"
        found = len(self.fields) or 1  # an empty line of a table of one column
        return f"too {'few' if found < width else 'many'} fields: {found} of {width}" if found != width else None


class CsvRows:
    """The rows of a CSV file below its header, for one pass over them.

    `names` are those in the header, of which those `wanted` are read. `misshapen` gets line, reason and bytes of rows
    that are left out; more than `most` end the pass.
    """

    def __init__(self, path: Path, names: Sequence[str], wanted: Sequence[str], most: int) -> None:
        places = {name: place for place, name in enumerate(names)}
        self.path, self.width, self.most = path, len(names), most
        self.places = [places[name] for name in wanted]
        self.misshapen: list[tuple[int, str, bytes]] = []
        self._blocks: list[tuple[int, int]] = []  # first physical line and first byte of each, and what is behind them

    def texts(self, lines: Collection[int]) -> Mapping[int, bytes]:
        """The bytes of the rows that begin at these physical lines."""
        wanted, found = np.array(sorted(lines)), dict[int, bytes]()
        with reading(self.path), self.path.open("rb") as file:
            for (line, start), (next_line, end) in pairwise(self._blocks):
                if np.searchsorted(wanted, line) < np.searchsorted(wanted, next_line):
                    file.seek(start)
                    rows = records(self.path, file, line=line, until=end)
                    found |= {row.line: row.raw for row in rows if row.line in lines}
        return found

    def batches(self) -> Iterator[tuple[list[pa.ChunkedArray] | list[pa.Array], np.ndarray]]:
        """The columns of some rows, and the physical lines at which these rows begin."""
        with reading(self.path), self.path.open("rb") as file:
            header = next(records(self.path, file, longest=LONGEST_NAME)).content
            ending, line = _ending(header), 1 + header.count(b"\n")
            while lines := file.read(_BLOCK):
                start = file.tell() - len(lines)
                self._blocks.append((line, start))
                lines += file.readline(_MOST_IN_MEMORY)
                end = file.tell()
                if not lines.endswith(b"\n"):
                    lines += ending
                columns = self._plain_columns(lines) if _is_plain(lines, ending) else None
                if columns is not None:
                    first, line = line, line + len(columns[0])
                    yield columns, np.arange(first, line)
                    continue
                file.seek(start)
                good: list[Record] = []
                for record in records(self.path, file, line=line, until=end, ending=ending):
                    line += record.content.count(b"\n")
                    if record.fields == [] and self.width > 1:  # an empty line
                        continue
                    if reason := record.fault(self.width):
                        self.misshapen.append((record.line, reason, record.raw))
                    else:
                        good.append(record)
                if len(self.misshapen) > self.most:
                    return
                fields = [record.fields or [""] for record in good]
                yield (
                    [pa.array([row[place] for row in fields], pa.string()) for place in self.places],
                    np.array([record.line for record in good], dtype=np.int64),
                )
            self._blocks.append((line + 1, file.tell()))

    def _plain_columns(self, lines: bytes) -> list[pa.ChunkedArray] | None:
        """The columns of lines as pyarrow reads them; None where not each line is a row of the right width."""
        names = [f"c{place}" for place in range(self.width)]
        chosen = [names[place] for place in self.places]
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(lines),
                arrow_csv.ReadOptions(column_names=names),
                arrow_csv.ParseOptions(ignore_empty_lines=self.width > 1),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(chosen, pa.string()), include_columns=chosen),
            )
        except pa.ArrowInvalid:
            return None
        return table.columns if table.num_rows == lines.count(b"\n") else None


def records(
    path: Path,
    file: BinaryIO,
    *,
    line: int = 1,
    until: int | None = None,
    ending: bytes = b"",
    longest: int = _MOST_IN_MEMORY,
) -> Iterator[Record]:
    """The rows of a file from where it stands, at this physical line, until a row ends at this byte or behind it.

    Raises SourceError where a line is not UTF-8, a row does not end with this line break, a quotation mark is open to
    the end of the file or keeps a row from ending, and where a line is too long to be one.
    """
    taken: list[bytes] = []
    start = position = file.tell()
    is_at_end = False

    def lines() -> Iterator[str]:
        nonlocal position, is_at_end
        while content := file.readline(_MOST_IN_MEMORY):
            position += len(content)
            taken.append(content)
            if len(content) == _MOST_IN_MEMORY:
                raise SourceError(
                    f"Line {line + len(taken) - 1} of {named(path)} is longer than {LONGEST_ROW:,} bytes, and what "
                    "follows cannot be known; look whether its line breaks got lost, and write it again."
                )
            yield (content.removeprefix(_BOM) if line == len(taken) == 1 else content).decode()
            if position - start > _MOST_IN_MEMORY:
                raise _open_quote(path, line)
        is_at_end = True

    csv.field_size_limit(longest)
    reader = csv.reader(lines(), strict=True)
    while until is None or position < until:
        fields: list[str] | None = None
        try:
            fields = next(reader, None)
        except UnicodeDecodeError:
            where = f"{named(path)} is not UTF-8 (line {line + len(taken) - 1})"
            raise SourceError(f"{where}; save it as CSV with the encoding UTF-8.") from None
        except csv.Error:
            # To go on would swallow good rows along with the bad one.
            if is_at_end or len(taken) > 1:
                raise _open_quote(path, line) from None
        if not taken:
            return
        record = Record(line, b"".join(taken), fields)
        has_return = fields is None and b"\r" in record.raw and b'"' not in record.raw
        if ending and (has_return or _ending(record.content) not in (ending, b"")):
            raise SourceError(
                f"{named(path)} ends line {line + len(taken) - 1} otherwise than line 1; save it with one kind of line "
                "ending throughout, LF or CRLF."
            )
        yield record
        line, start = line + len(taken), position
        taken.clear()


def _ending(content: bytes) -> bytes:
    return next((ending for ending in (b"\r\n", b"\n") if content.endswith(ending)), b"")


def _open_quote(path: Path, line: int) -> SourceError:
    return SourceError(
        f"{named(path)} opens a quotation mark in the row at line {line} and does not close it there; close it, or "
        "double the mark if it belongs to the value."
    )


def _is_plain(lines: bytes, ending: bytes) -> bool:
    """Whether a row ends with each of these lines: no quoted value has a line break, none is quoted in part."""
    returns = lines.count(b"\n") if ending == b"\r\n" else 0
    if not lines.count(b"\r") == lines.count(b"\r\n") == returns or lines.startswith(_BOM):
        return False
    try:
        lines.isascii() or lines.decode()
    except UnicodeDecodeError:
        return False
    block = np.frombuffer(lines, dtype=np.uint8)
    marks = np.flatnonzero(block == ord('"'))
    if not marks.size:
        return True
    opening, closing = marks[::2], marks[1::2]
    return (
        opening.size == closing.size
        and not (np.searchsorted(marks, np.flatnonzero(block == ord("\n"))) % 2).any()
        # A doubled mark closes a value and opens it again. Before the first byte stands the last: a line break.
        and bool(
            np.isin(block[opening - 1], list(b',\n"')).all() and np.isin(block[closing + 1], list(b',\r\n"')).all()
        )
    )
