"""The physical lines of a CSV file: which row begins where, and whether DuckDB may split the file.

Here: bytes, line numbers and quotes. DuckDB does the parsing; this finds again, in the few files that
need it, the lines of rows it set aside. Not here: columns and values.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_QUOTED = re.compile(rb' *"')
# The rest of a quoted value: doubled quotes belong to it, the group is the quote that ends it.
_REST = re.compile(rb'[^"]*(?:""[^"]*)*("?)')
# A line that is whole in itself: values without quotation marks, or quoted from end to end.
_VALUE = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_WHOLE = re.compile(_VALUE + rb"(?:," + _VALUE + rb")*+\r?\n?")


class Record(NamedTuple):
    """One row of a CSV file: the byte it starts at (from 0), its first physical line (from 1), its text and fields."""

    start: int
    line: int
    raw: bytes
    fields: int


class PlainCount(NamedTuple):
    """What is counted in a file of one row a line: its lines, its commas and its quotation marks."""

    lines: int
    commas: int
    quotes: int


def records(path: Path, *, with_empty: bool = False) -> Iterator[Record]:
    """Every row below the header, as DuckDB counts them: an empty line is one in a file of one column alone."""
    start = position = 0
    first_line = fields = 1
    pieces: list[bytes] = []
    inside = is_past_header = False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not pieces:
                start, first_line = position, number
            position += len(line)
            if number == 1:
                line = line.removeprefix(_BOM)  # noqa: PLW2901
            pieces.append(line)
            if b'"' in line or inside:
                commas, inside = _split(line, inside)
            else:
                commas = line.count(b",")
            fields += commas
            if inside:
                continue
            raw = b"".join(pieces).rstrip(b"\r\n")
            if (raw or with_empty) and is_past_header:
                yield Record(start, first_line, raw, fields)
            pieces, fields, is_past_header = [], 1, True
    if pieces:
        yield Record(start, first_line, b"".join(pieces).rstrip(b"\r\n"), fields)


def _split(line: bytes, inside: bool) -> tuple[int, bool]:
    """How many commas separate values, and whether a quoted value goes on below, given whether one goes on into it."""
    position = commas = 0
    while True:
        if not inside and (opening := _QUOTED.match(line, position)):
            inside, position = True, opening.end()
        if inside:
            rest = _REST.match(line, position)
            if rest is None or not rest[1]:
                return commas, True
            inside, position = False, rest.end()
        position = line.find(b",", position) + 1
        if not position:
            return commas, False
        commas += 1


def count_plain_lines(path: Path) -> PlainCount | None:
    """What a file holds that has one row on each line; None where a line may be less or more than a row.

    That is so where lines are empty or a quoted value may go on over several. DuckDB 2.0 splits a large
    file among threads by guessing where rows begin, and in such a file it guesses wrong without a word:
    rows come twice or go missing.
    """
    lines, commas, quotes, offset, last_break = 0, 0, 0, 0, -1
    buffer = bytearray(_BLOCK)
    block = np.frombuffer(buffer, dtype=np.uint8)
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            breaks = np.flatnonzero(block[:size] == ord("\n")) + offset
            # LF after LF, or CR LF after LF
            if (np.diff(breaks, prepend=last_break) <= 2).any():
                return None
            if quotes or buffer.find(b'"', 0, size) >= 0:
                marks = np.flatnonzero(block[:size] == ord('"')) + offset
                if ((np.searchsorted(marks, breaks) + quotes) % 2).any():
                    return None
                quotes += marks.size
            lines += breaks.size
            commas += buffer.count(b",", 0, size)
            last_break = int(breaks[-1]) if breaks.size else last_break
            offset += size
    return PlainCount(lines + (last_break != offset - 1), commas, quotes)


def find_open_quote(path: Path) -> int | None:
    """The physical line (from 1) of the quotation mark that is still open where the file ends, if one is.

    On a single thread DuckDB 2.0 drops such a row, and all that it swallowed, without a word.
    """
    with path.open("rb") as file:
        if not any(b'"' in block for block in iter(lambda: file.read(_BLOCK), b"")):
            return None
        file.seek(0)
        opened, inside = 0, False
        for number, line in enumerate(file, start=1):
            if inside or (b'"' in line and not _WHOLE.fullmatch(line)):
                was_inside, (_, inside) = inside, _split(line, inside)
                opened = opened if was_inside else number
    return opened if inside else None


def find_bad_utf8(path: Path) -> int | None:
    """The physical line (from 1) of the first byte that is not UTF-8, None where all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line = 1
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            pending = decoder.getstate()[0]
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return line + (pending + block)[: error.start].count(b"\n")
            if not block:
                return None
            line += block.count(b"\n")


def find_mixed_ending(path: Path) -> int | None:
    """The first physical line (from 1) that ends otherwise than line 1, or holds a bare carriage return."""
    with path.open("rb") as file:
        other = b"\n" if file.readline().endswith(b"\r\n") else b"\r\n"
        inside = False
        for number, line in enumerate(file, start=2):
            was_inside, (_, inside) = inside, _split(line, inside)
            text = line.rstrip(b"\r\n")
            if not was_inside and not inside and (line == text + other or b"\r" in text):
                return number
    return None


def find_long_line(path: Path, longest: int) -> int | None:
    """The first physical line (from 1) of more bytes than `longest`, None where there is none."""
    with path.open("rb") as file:
        number, size = 1, 0
        while block := file.readline(_BLOCK):
            size += len(block)
            if size > longest:
                return number
            if block.endswith(b"\n"):
                number, size = number + 1, 0
    return None


def is_last_line_open(path: Path) -> bool:
    """Whether the last line does not end in a line break."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        file.seek(max(end - 1, 0))
        return file.read(1) not in (b"\n", b"")
