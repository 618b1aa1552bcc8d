"""Copies of what cannot be made again, and bringing them back: the warehouse, Dagster's history, the alerts' memory.

A backup is a folder: `manifest.json` with the size and the SHA-256 of every other file, `home/` with the files of
DAGSTER_HOME, and a copy of the ledger and of the warehouse. Here: what belongs to it, and whether it is whole. Not
here: how DuckDB is copied (warehouse/copies.py), and PostgreSQL, whose own programs do it.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import dagster as dg
import sqlalchemy as sa
import yaml
from packaging.version import InvalidVersion, Version

from greenery_assets.dead_runs import is_there, process_of
from greenery_assets.settings import PROJECT_ROOT, VARIABLES, PostgresAddress, Settings
from greenery_assets.troubles import explain
from greenery_assets.warehouse import WarehouseBusyError, copies

VERSION = version("greenery-assets")
MANIFEST, CONFIGURATION, HOME = "manifest.json", "dagster.yaml", "home"
SQLITE = b"SQLite format 3\0"
# What programs leave beside a database or a lock that they hold; a copy needs none of it.
LEFT_OUT = ("-wal", "-shm", "-journal", ".lock")
AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
TRIES, PAUSE_S, RUNS_COMPARED = 5, 2.0, 100
Database = Path | sa.URL


class BackupError(Exception):
    """A backup cannot be made or restored; the text says why and what to do. Nothing was changed."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: `files` by their paths in it, each with `bytes` and `sha256`; `databases` by their names."""

    version: str
    made_at: str
    databases: list[str]
    files: Mapping[str, Mapping[str, Any]]

    @property
    def bytes(self) -> int:
        """The size of all files."""
        return sum(int(file["bytes"]) for file in self.files.values())


def back_up(settings: Settings, instance: dg.DagsterInstance, to: Path, say: Callable[[str], None]) -> Manifest:
    """Copy everything into a new folder while no run is at work. Until it is whole it has another name.

    Raises BackupError and WarehouseError.
    """
    to = to.absolute()
    if to.is_relative_to(settings.dagster_home):
        raise BackupError(f"{to} lies in DAGSTER_HOME: name a new folder elsewhere.")
    if to.exists():
        raise BackupError(f"{to} is there already: name a new folder.")
    databases = _databases(settings, settings.dagster_home / CONFIGURATION)
    with _worded(to):
        return _copied(settings, instance, databases, to, say)


def _copied(
    settings: Settings,
    instance: dg.DagsterInstance,
    databases: Mapping[str, Database],
    to: Path,
    say: Callable[[str], None],
) -> Manifest:
    work, reason = to.with_name(f".{to.name}.unfinished"), ""
    try:
        for _ in range(TRIES):
            shutil.rmtree(work, ignore_errors=True)
            _wait_for_runs(instance, say)
            before = _newest_runs(instance)
            reason = "New runs began during each copy. Try again when fewer runs are under way."
            try:
                work.mkdir(parents=True, mode=0o700)
                # History before the ledger: of a run that the ledger knows nobody is notified twice.
                _copy_home(settings.dagster_home, list(databases.values()), work / HOME)
                for name, place in databases.items():
                    _copy(place, work / name)
                if _newest_runs(instance) == before:
                    files = {path.relative_to(work).as_posix(): _described(path) for path in _files(work)}
                    now = datetime.now(UTC).isoformat(timespec="seconds")
                    manifest = Manifest(VERSION, now, sorted(databases), files)
                    (work / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
                    work.rename(to)
                    return manifest
            except WarehouseBusyError as error:
                reason = str(error)
            say("A run or another program wrote during the copy. Copying again.")
            time.sleep(PAUSE_S)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    raise BackupError(f"No backup was made. {reason}")


def restore(settings: Settings, folder: Path) -> Manifest:
    """Put a backup where the settings name, where nothing is yet. Raises BackupError."""
    manifest = _read(folder)
    for name, file in manifest.files.items():
        is_placed = name in manifest.databases or (
            name.startswith(f"{HOME}/") and ".." not in PurePosixPath(name).parts
        )
        if not is_placed or not (folder / name).is_file() or _described(folder / name) != file:
            raise BackupError(f"{folder / name} is cut or was changed since it was made: restore another backup.")
    there, default = settings.dagster_home / CONFIGURATION, PROJECT_ROOT / "dagster_home" / CONFIGURATION
    # What somebody put there for this machine stays.
    is_own = there.exists() and there.read_bytes() != default.read_bytes()
    databases = _databases(settings, there if is_own else folder / HOME / CONFIGURATION)
    if sorted(databases) != manifest.databases:
        raise BackupError(
            f"The backup holds {' and '.join(manifest.databases)}; by the settings here it would be "
            f"{' and '.join(sorted(databases))}. Set GREENERY_ENGINE, GREENERY_ALERTS_LEDGER, and storage in {there}, "
            "as they were, and restore again."
        )
    _refuse_to_overwrite(settings, databases)
    written: list[Path] = []
    try:
        with _worded(settings.dagster_home):
            for name in manifest.files:
                place = databases.get(name) or settings.dagster_home / PurePosixPath(name).relative_to(HOME)
                if isinstance(place, Path) and not (place == there and is_own):
                    place.parent.mkdir(parents=True, exist_ok=True)
                    written.append(place)
                    shutil.copyfile(folder / name, place)
            for name, place in databases.items():
                if isinstance(place, sa.URL):
                    # All of it or nothing.
                    _run("pg_restore", place, "--exit-on-error", "--single-transaction", "--no-owner", folder / name)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return manifest


def _databases(settings: Settings, configuration: Path) -> dict[str, Database]:
    """The databases by the names of their copies, each once. Dagster's are the ledger's, or among its files."""
    found: dict[str, Database] = {}
    ledger, place = sa.make_url(settings.ledger_url), settings.warehouse
    if ledger.get_backend_name() == "postgresql":
        found["ledger.dump"] = ledger
    elif ledger.database:
        found["ledger.sqlite"] = Path(ledger.database)
    if isinstance(place, PostgresAddress):
        parts = place.user, place.password, place.host, place.port, place.database
        if (ledger.host, ledger.port or place.port, ledger.database) != parts[2:]:
            found["warehouse.dump"] = sa.URL.create("postgresql+psycopg2", *parts, query={"sslmode": place.sslmode})
    elif isinstance(place, Path):
        found["warehouse.duckdb"] = place
        # The last good content of a table that is held back is nowhere else.
        found["published.duckdb"] = settings.warehouse_path
    said = yaml.safe_load(configuration.read_text(encoding="utf-8")) or {}
    storage = {name: value for name, value in said.items() if name == "storage" or name.endswith("_storage")}
    ours = {"storage": {"postgres": {"postgres_url": {"env": VARIABLES["alerts_ledger"]}}}}
    if storage and not (storage == ours and "ledger.dump" in found):
        raise BackupError(
            f"{configuration} keeps Dagster's history in a database that this command does not know. It can be in "
            "DAGSTER_HOME, or in the ledger's database, as in deploy/dagster.yaml. Copy it with its own tools."
        )
    return found


def _wait_for_runs(instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
    said: set[str] = set()
    while alive := {
        run.run_id
        for run in instance.get_runs(dg.RunsFilter(statuses=AT_WORK))
        if (pid := process_of(instance, run.run_id)) is None or is_there(pid)
    }:
        for run_id in alive - said:
            say(f"Run {run_id} is under way; waiting for it to end.")
        said |= alive
        time.sleep(PAUSE_S)


def _newest_runs(instance: dg.DagsterInstance) -> list[tuple[str, str]]:
    records = instance.get_run_records(limit=RUNS_COMPARED)
    return [(record.dagster_run.run_id, record.dagster_run.status.value) for record in records]


def _copy_home(home: Path, others: list[Database], to: Path) -> None:
    elsewhere = tuple(str(place) for place in others if isinstance(place, Path))
    for path in _files(home):
        if not path.name.endswith(LEFT_OUT) and not str(path).startswith(elsewhere):
            copy = to / path.relative_to(home)
            copy.parent.mkdir(parents=True, exist_ok=True)
            # A log may be deleted meanwhile.
            with suppress(FileNotFoundError):
                _copy(path, copy) if _is_sqlite(path) else shutil.copyfile(path, copy)


def _copy(place: Database, to: Path) -> None:
    """Copy a database, if it is there."""
    if isinstance(place, sa.URL):
        _run("pg_dump", place, "--format=custom", f"--file={to}")
    elif place.exists() and _is_sqlite(place):
        try:
            with closing(sqlite3.connect(place)) as source, closing(sqlite3.connect(to)) as copy:
                source.backup(copy)
        except sqlite3.Error as error:
            path = to if error.sqlite_errorcode == sqlite3.SQLITE_FULL else place
            raise BackupError(explain(error, path) or f"{path} cannot be copied ({error}).") from None
    elif place.exists():
        copies.copy_file(place, to)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _read(folder: Path) -> Manifest:
    if not folder.is_dir():
        raise BackupError(f"There is no folder {folder}: name the folder of a backup.")
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        is_newer = Version(manifest.version) > Version(VERSION)
    except (OSError, ValueError, TypeError, InvalidVersion):
        raise BackupError(
            f"{folder} is no whole backup: {folder / MANIFEST} is missing or damaged. Restore another backup."
        ) from None
    if is_newer:
        raise BackupError(
            f"The backup {folder} was made by version {manifest.version}, and this is {VERSION}: install that version, "
            "or restore an older backup."
        )
    return manifest


def _refuse_to_overwrite(settings: Settings, databases: Mapping[str, Database]) -> None:
    found = [path for path in _files(settings.dagster_home) if path.name != CONFIGURATION and path.suffix != ".lock"]
    if there := [*found, *(path for path in databases.values() if isinstance(path, Path) and path.exists())]:
        raise BackupError(
            f"{there[0]} is there already, and a restore overwrites nothing: move it away, or name other places in "
            "DAGSTER_HOME, GREENERY_WAREHOUSE_PATH and GREENERY_ALERTS_LEDGER."
        )
    for url in databases.values():
        if isinstance(url, sa.URL) and _has_tables(url):
            raise BackupError(
                f"The database {url.database} on {url.host} has tables already, and a restore overwrites nothing: name "
                "an empty one (createdb)."
            )


def _has_tables(url: sa.URL) -> bool:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            schemas = [name for name in sa.inspect(connection).get_schema_names() if name != "information_schema"]
            return any(sa.inspect(connection).get_table_names(schema) for schema in schemas)
    except sa.exc.SQLAlchemyError:
        raise BackupError(
            f"The database {url.database} on {url.host} cannot be opened: make it (createdb), or correct its address."
        ) from None
    finally:
        engine.dispose()


def _run(program: str, url: sa.URL, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL's on a database. Its password is in no argument: every user sees those."""
    if shutil.which(program) is None:
        raise BackupError(f"{program} is not installed here: install PostgreSQL's client, of the server's version.")
    address = url.set(drivername="postgresql", password=None).render_as_string()
    secret = {"PGPASSWORD": url.password} if url.password else {}
    command = [program, f"--dbname={address}", "--no-password", *map(str, arguments)]
    done = subprocess.run(command, env=os.environ | secret, capture_output=True, text=True, check=False)
    if done.returncode:
        said = next(iter(done.stderr.splitlines()), f"exit code {done.returncode}")
        raise BackupError(f"{program} failed on the database {url.database} on {url.host}: {said}")


@contextmanager
def _worded(place: Path) -> Iterator[None]:
    """Turns what is wrong with a disk or a file into our error."""
    try:
        yield
    except OSError as error:
        # Of a copy that fails, the second is where it was to be.
        path = Path(str(error.filename2 or error.filename or place))
        raise BackupError(explain(OSError(error.errno, error.strerror), path) or f"{path}: {error.strerror}.") from None
