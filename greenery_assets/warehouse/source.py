"""Which folder fills a warehouse, and that no other one does unless somebody says so.

Here: what a source is, and whether a run's source is the one on record (landing.source). Not here: reading the folder
(landing).
"""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from greenery_assets.settings import SparkAddress
from greenery_assets.warehouse.engines import Connection, Place, spare_name, tables, transaction
from greenery_assets.warehouse.errors import SourceChangedError
from greenery_assets.warehouse.loads import paths

SAMPLE_DATA = "sample data"
SAMPLE_FILE = "sample.json"
"""It lies in every folder that greenery_assets.sample writes, and says so of its rows."""


@dataclass(frozen=True)
class Source:
    """A folder of source tables: its absolute path as it was given, and whether its rows are sample data."""

    folder: Path
    is_sample: bool

    @classmethod
    def at(cls, folder: Path) -> "Source":
        """The source that a folder is."""
        # is_file raises where the folder may not be read, which reading it says better.
        return cls(folder.absolute(), os.path.isfile(folder / SAMPLE_FILE))  # noqa: PTH113

    @classmethod
    def of(cls, configured: Path | None, sample_dir: Path) -> "Source":
        """The source of a run: the configured folder, else sample data, which `sample_dir` need not hold yet."""
        found = cls.at(configured or sample_dir)
        return replace(found, is_sample=True) if _is_same_place(found.folder, sample_dir) else found

    @property
    def kind(self) -> str:
        """What it is, as landing.source has it."""
        return SAMPLE_DATA if self.is_sample else "folder"

    @property
    def name(self) -> str:
        """What people are shown: `sample data`, or the folder."""
        return SAMPLE_DATA if self.is_sample else str(self.folder)

    def is_same(self, other: "Source") -> bool:
        """Whether both are one folder, by its name (a link may lead to a newer export) or by where it lies."""
        return self.is_sample == other.is_sample and (
            self.folder == other.folder or _is_same_place(self.folder, other.folder)
        )

    def __str__(self) -> str:
        return f"{SAMPLE_DATA} in {self.folder}" if self.is_sample else str(self.folder)


def recorded_source(connection: Connection) -> Source | None:
    """The source that filled a warehouse; None where nothing was loaded, or only by an older version."""
    if "source" not in tables(connection, "landing"):
        return None
    row = connection.execute("select kind, folder from landing.source").fetchone()
    return Source(Path(row[1]), row[0] == SAMPLE_DATA) if row else None


def settle_source(
    warehouse: Place, source: Source, sample_dir: Path, *, is_new_source: bool = False, is_whole: bool = True
) -> Path | str | None:
    """Where the warehouse is to be moved to make way for the rows of `source`; None where they may be loaded into it.

    They need a warehouse of their own where either `source` or what filled the warehouse is sample data, and the other
    is not: the histories of a shop and of a sample (snapshots) must not mix. Nothing of the source is read, and
    nothing changed.

    Raises SourceChangedError where the warehouse was filled from another source and `is_new_source` does not say that
    this is meant, or not all tables are loaded (`is_whole`); WarehouseBusyError and WarehouseError where the warehouse
    cannot be opened.
    """
    if isinstance(warehouse, Path) and not warehouse.exists():
        return None
    with transaction(warehouse) as connection:
        filled_by = recorded_source(connection) or _of_older_version(connection, source, sample_dir)
        if filled_by is None and not tables(connection, "raw"):
            return None
    if filled_by is not None and filled_by.is_same(source):
        return None
    is_kept = filled_by is not None and filled_by.is_sample == source.is_sample
    if not is_new_source:
        raise SourceChangedError(_another(warehouse, filled_by, source, sample_dir, is_kept=is_kept))
    if not is_whole:
        raise SourceChangedError(
            f"The warehouse {warehouse} was filled from {_said(filled_by)}. A new source replaces all source tables: "
            "load the seven of them in one run, as make run does."
        )
    what = "sample" if filled_by and filled_by.is_sample else "before"
    return None if is_kept else spare_name(warehouse, f"{what}-{datetime.now(UTC):%Y%m%dT%H%M%S}")


def _is_same_place(folder: Path, other: Path) -> bool:
    return os.path.realpath(folder) == os.path.realpath(other)


def _of_older_version(connection: Connection, source: Source, sample_dir: Path) -> Source | None:
    """The source of a warehouse without a record of it, by the files in it: `source` if it can be that one."""
    files = paths(connection)
    # A file of a table lies in the source's folder, or there in a folder with the table's name.
    if files and all(
        any(Source.of(folder, sample_dir).is_same(source) for folder in list(path.parents)[:2]) for _, path in files
    ):
        return source
    folders = {path.parent.parent if path.parent.name == table else path.parent for table, path in files}
    return Source.of(Path(os.path.commonpath(folders)), sample_dir) if folders else None


def _said(filled_by: Source | None) -> str:
    return str(filled_by) if filled_by else "a source that is not on record"


def _another(warehouse: Place, filled_by: Source | None, source: Source, sample_dir: Path, *, is_kept: bool) -> str:
    is_default = filled_by is not None and filled_by.is_same(Source.of(None, sample_dir))
    setting = "leave it unset" if is_default else "set it back"
    if isinstance(warehouse, Path):
        other, then = "file in GREENERY_WAREHOUSE_PATH", "the warehouse is then renamed, and a new one begun"
    elif isinstance(warehouse, SparkAddress):
        other = "server in GREENERY_SPARK_URL and another folder in GREENERY_SPARK_FOLDER"
        then = "the tables of the sample are then dropped, and new ones made"
    else:
        other = "database in GREENERY_POSTGRES_URL"
        then = "each schema of it is then renamed, and a new one begun"
    if is_kept:
        then = "the warehouse and its history then go on with the new folder"
    how = (
        "say so on one run: make run ARGS=--new-source (in the web interface new_source: true for raw_tables); "
        f"{then}. To have both, name another {other}."
    )
    if isinstance(warehouse, SparkAddress) and not is_kept and not (filled_by and filled_by.is_sample):
        how = f"name another {other}: tables of Spark cannot be put aside for another source."
    # Slack shows the first 600 characters.
    return (
        f"The warehouse {warehouse} was filled from {_said(filled_by)}; this run would load {source} into it. "
        f"Nothing was read or changed. GREENERY_SOURCE_DIR (in .env or the environment) names the source: {setting} to "
        f"go on. If it was meant to change, {how}"
    )
