"""Which files of a source folder make up which table, and whether one has changed.

Here: names, the layout of folders, the identity of a file. Not here: what its content means (columns.py, rows.py).
"""

import difflib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from greenery_assets.landing.errors import SourceError
from greenery_assets.warehouse import named
from greenery_assets.warehouse.loads import Identity

SUFFIXES = (".csv", ".parquet")

# Hashing it costs a millisecond or two. Larger files are known by size, times and inode alone.
_SMALL = 1_000_000

_SETTING = "Set GREENERY_SOURCE_DIR to the folder that holds the source tables"


def identity(path: Path) -> Identity:
    """The state a file is in. Raises SourceError when it cannot be read or is no plain file."""
    with reading(path):
        str(path).encode()  # as the warehouse notes it
        if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for its other end
            raise SourceError(f"{named(path)} is not a plain file; put the file itself there.")
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "blake2b").hexdigest()[:32] if found.st_size <= _SMALL else None
    return Identity(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, digest)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns the operating system's refusals of a file, and of its name, into SourceError."""
    try:
        yield
    except UnicodeEncodeError:
        raise SourceError(
            f"The name of {named(path)} is not UTF-8, so the warehouse cannot note it; rename it."
        ) from None
    except FileNotFoundError as error:
        raise SourceError(f"{named(path)} went away while it was read; put it back and run again.") from error
    except PermissionError as error:
        raise SourceError(f"{named(path)} cannot be read ({error.strerror}); grant access to it.") from error
    except OSError as error:
        raise SourceError(
            f"{named(path)} cannot be read ({error.strerror}); look whether its disk or share is well, and run again."
        ) from error


def find_files(source_dir: Path, tables: Iterable[str]) -> Mapping[str, tuple[Path, ...]]:
    """The files of each table, in name order: `<table>.csv`, `<table>.parquet` or those in `<table>/`.

    Suffixes ignore case; names beginning with `.` or `_` are skipped. Raises SourceError when the
    folder is missing, unreadable or empty, when tables are missing (all of them are named), when a
    table is there in two forms, or when a table's folder is empty or holds anything else.
    """
    entries = _visible(source_dir)
    if not entries:
        raise SourceError(f"The source folder {named(source_dir)} is empty. {_SETTING}, or put them there.")
    found: dict[str, tuple[Path, ...]] = {}
    missing = []
    for table in tables:
        forms = [entry for entry in entries if (entry.name if entry.is_dir() else _table(entry)) == table]
        if len(forms) > 1:
            names = " and ".join(_shown(form) for form in forms)
            raise SourceError(
                f"{named(source_dir)} holds the table {table} more than once, as {names}, and landing cannot know "
                "which is meant; keep one and move the other away."
            )
        if forms:
            found[table] = _files_in(forms[0], table) if forms[0].is_dir() else (forms[0],)
        else:
            missing.append(table)
    if missing:
        raise SourceError(_missing(source_dir, missing, entries))
    return found


def _table(path: Path) -> str | None:
    return path.stem if path.suffix.lower() in SUFFIXES else None


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))
    except OSError as error:
        known = {FileNotFoundError: "does not exist", NotADirectoryError: "is a file"}
        what = known.get(type(error), f"cannot be read ({error.strerror}): grant access to it")
        raise SourceError(f"The source folder {named(folder)} {what}. {_SETTING}.") from error


def _files_in(folder: Path, table: str) -> tuple[Path, ...]:
    entries = _visible(folder)
    for entry in entries:
        if _table(entry) is None or entry.is_dir():
            raise SourceError(
                f"{named(entry)} is neither a CSV nor a Parquet file, and the folder of the table {table} may hold "
                "nothing else, so that no data is passed over in silence; move it away, or begin its name "
                "with _ to have it skipped."
            )
    if not entries:
        raise SourceError(
            f"The folder {named(folder)} of the table {table} holds no CSV or Parquet file; put the files there "
            "(one with a header alone will do for a table without rows)."
        )
    return tuple(entries)


def _missing(source_dir: Path, missing: list[str], entries: list[Path]) -> str:
    # "Events.csv", "event.csv", a folder "events.csv" and "events.csv.gz" are what people have for events.csv.
    by_start = {entry.name.split(".")[0].lower(): _shown(entry) for entry in entries}
    near = [(table, *difflib.get_close_matches(table, by_start, n=1, cutoff=0.8)) for table in missing]
    hints = [f" {by_start[close[0]]} is there; is it {table}?" for table, *close in near if close]
    return (
        f"The source folder {named(source_dir)} lacks the table{'s' * (len(missing) > 1)} {', '.join(missing)}: each "
        f"is wanted as <table>.csv, <table>.parquet or a folder <table> of such files. {_SETTING}.{''.join(hints)}"
    )


def _shown(entry: Path) -> str:
    shown = named(f"{entry.name}/" if entry.is_dir() else entry.name)
    return f"{shown}, a folder with the name of a file," if entry.is_dir() and entry.suffix else shown
