"""What can go wrong with the warehouse, whatever its engine, and how a path reads in such a text."""

import os
from pathlib import Path


class WarehouseError(Exception):
    """The warehouse cannot be opened, read or written: one paragraph for a person."""


class WarehouseMissingError(WarehouseError):
    """There is no warehouse yet."""


class WarehouseCorruptError(WarehouseError):
    """The warehouse, or what its engine wrote beside it, is not whole."""


class WarehouseBusyError(WarehouseError):
    """Another program has the warehouse open, or another run is at work in it."""


class SourceChangedError(WarehouseError):
    """The warehouse was filled from another source than the run's; the text names both and what to do."""


class StatementError(Exception):
    """A server refused a statement. Its own words, which may quote a row, are in none of this.

    `kind` is the driver's name for it, `pgcode` PostgreSQL's SQLSTATE.
    """

    def __init__(self, kind: str, pgcode: str) -> None:
        super().__init__(f"{kind} (SQLSTATE {pgcode})")
        self.kind, self.pgcode = kind, pgcode


class NotBuiltError(StatementError):
    """A query names a table or column that is not there."""


def named(path: Path | str) -> str:
    """A path for people: on one line, and in characters that every terminal and database takes."""
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in str(path))


def _escaped(letter: str) -> str:
    is_lone_byte = "\udc80" <= letter <= "\udcff"  # of a name that is not UTF-8
    return f"\\x{os.fsencode(letter).hex()}" if is_lone_byte else letter.encode("unicode_escape").decode()
