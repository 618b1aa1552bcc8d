"""Which files of a source folder make up which table.

Here: names and the layout of folders. Not here: what is inside a file (shapes.py, load.py).
"""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path

from greenery_assets.landing.errors import SourceError

SUFFIXES = (".csv", ".parquet")

_SETTING = "Set GREENERY_SOURCE_DIR to the folder that holds the source tables"


def find_files(source_dir: Path, tables: Iterable[str]) -> Mapping[str, tuple[Path, ...]]:
    """The files of each table, in name order: `<table>.csv`, `<table>.parquet` or those in `<table>/`.

    Suffixes ignore case; names beginning with `.` or `_` are skipped. Raises SourceError when the
    folder is missing, unreadable or empty, when tables are missing (all of them are named), when a
    table is there in two forms, or when a table's folder is empty or holds anything else.
    """
    entries = _entries(source_dir)
    found: dict[str, tuple[Path, ...]] = {}
    missing = []
    for table in tables:
        forms = [entry for entry in entries if _is_form_of(entry, table)]
        if len(forms) > 1:
            names = " and ".join(_shown(form) for form in forms)
            raise SourceError(
                f"{source_dir} holds the table {table} more than once, as {names}, and landing cannot tell "
                "which is meant; keep one and move the other away."
            )
        if not forms:
            missing.append(table)
        elif forms[0].name == table:
            found[table] = _files_in(forms[0], table)
        elif forms[0].is_dir():
            raise SourceError(
                f"{forms[0]} is a folder with the name of a file; name the folder {table} if it holds the "
                f"files of the table {table}."
            )
        else:
            found[table] = (forms[0],)
    if missing:
        raise SourceError(_missing(source_dir, missing, entries))
    return found


def _entries(source_dir: Path) -> list[Path]:
    try:
        entries = _visible(source_dir)
    except FileNotFoundError as error:
        raise SourceError(f"The source folder {source_dir} does not exist. {_SETTING}.") from error
    except NotADirectoryError as error:
        raise SourceError(f"The source folder {source_dir} is a file. {_SETTING}, not to one of them.") from error
    except OSError as error:
        raise SourceError(
            f"The source folder {source_dir} cannot be read ({error.strerror}); grant access to it."
        ) from error
    if not entries:
        raise SourceError(f"The source folder {source_dir} is empty. {_SETTING}, or put them there.")
    return entries


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith((".", "_")))


def _is_form_of(entry: Path, table: str) -> bool:
    if entry.name == table:
        return entry.is_dir()
    return entry.stem == table and entry.suffix.lower() in SUFFIXES


def _files_in(folder: Path, table: str) -> tuple[Path, ...]:
    try:
        entries = _visible(folder)
    except OSError as error:
        raise SourceError(f"The folder {folder} cannot be read ({error.strerror}); grant access to it.") from error
    for entry in entries:
        if entry.suffix.lower() not in SUFFIXES or entry.is_dir():
            raise SourceError(
                f"{entry} is neither a CSV nor a Parquet file, and the folder of the table {table} may hold "
                "nothing else, so that no data is passed over in silence; move it away, or begin its name "
                "with _ to have it skipped."
            )
    if not entries:
        raise SourceError(
            f"The folder {folder} of the table {table} holds no CSV or Parquet file; put the files there "
            "(one with a header alone will do for a table without rows)."
        )
    return tuple(entries)


def _missing(source_dir: Path, missing: list[str], entries: list[Path]) -> str:
    hints = []
    for table in missing:
        # "Events.csv", "event.csv" and "events.csv.gz" are what people have where events.csv is missing.
        by_start = {entry.name.split(".")[0].lower(): entry for entry in entries}
        for close in difflib.get_close_matches(table, by_start, n=1, cutoff=0.8):
            hints.append(f"{_shown(by_start[close])} is there; is it {table}?")
    what = "table" if len(missing) == 1 else "tables"
    text = (
        f"The source folder {source_dir} lacks the {what} {', '.join(missing)}: each is wanted as "
        f"<table>.csv, <table>.parquet or a folder <table> of such files. {_SETTING}."
    )
    return " ".join([text, *hints])


def _shown(entry: Path) -> str:
    return f"{entry.name}/" if entry.is_dir() else entry.name
