"""What all commands share: prepared settings, and one sentence instead of a traceback for mistakes of a user.

What a command does belongs to the command. An unexpected error keeps its traceback, for developers.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from greenery_assets.dagster_home import DagsterHomeError, check_home, history_error
from greenery_assets.preparation import prepare
from greenery_assets.settings import PROJECT_ROOT, Settings, SettingsError, load_settings
from greenery_assets.troubles import explain
from greenery_assets.warehouse import DATABASE_ERRORS, StatementError, WarehouseError
from greenery_assets.web_interface import WebInterfaceError


@contextmanager
def command() -> Iterator[Settings]:
    """The settings, with everything prepared, for the body of a command."""
    settings = None
    try:
        settings = load_settings()
        if removed := prepare(settings):
            _write(f"Not passed on to dbt and Dagster: {', '.join(removed)}.", "dim")
        check_home(settings.dagster_home)
        yield settings
    except Exception as error:
        sentence = _sentence(error, settings)
        if sentence is None:
            raise
        stop(sentence)


def stop(reason: str) -> NoReturn:
    """End the command with exit code 1 and the reason as the last line on the terminal."""
    _write(reason, "red")
    raise typer.Exit(1)


def _sentence(error: Exception, settings: Settings | None) -> str | None:
    """The error in a sentence for its reader; None for one that only its traceback explains."""
    if isinstance(error, (SettingsError, DagsterHomeError, WarehouseError, WebInterfaceError)):
        return str(error)
    if settings is None or isinstance(error, (typer.Exit, typer.Abort)):
        return None
    # With Dagster, which takes seconds and is not needed to find a mistake in a setting.
    from dagster import DagsterInvalidConfigError  # noqa: PLC0415

    from greenery_assets.alerts.project import AlertsError  # noqa: PLC0415
    from greenery_assets.backup import BackupError  # noqa: PLC0415
    from greenery_assets.dbt.project import DbtError  # noqa: PLC0415
    from greenery_assets.dbt.refresh import DaysError  # noqa: PLC0415
    from greenery_assets.report.build import ReportError  # noqa: PLC0415

    if isinstance(error, (AlertsError, BackupError, DaysError, DbtError, ReportError)):
        return str(error)
    if isinstance(error, DagsterInvalidConfigError):
        found = " ".join(error.errors[0].message.split()) if error.errors else "Dagster does not accept it"
        return (
            f"{settings.dagster_home / 'dagster.yaml'}: {found.rstrip('.')}. Correct it, or move it away to have the "
            "project's own again."
        )
    if broken := history_error(error, settings.dagster_home):
        return str(broken)
    # Of another error one of these may be only what happened before it, and its own traceback is needed.
    is_ours = isinstance(error, (OSError, MemoryError, sqlite3.Error, DBAPIError, *DATABASE_ERRORS))
    said = explain(error, _file_of(error, settings)) if is_ours and not _is_elsewhere(error, settings) else None
    if said is None and isinstance(error, StatementError):
        said = f"The server of the warehouse {settings.warehouse} refused a statement ({error}); its log says why."
    return said


def _file_of(error: Exception, settings: Settings) -> Path:
    """What an error is about. Here, unlike in Slack, any file may be named: who started the command may see it."""
    name = getattr(error, "filename", None)
    return Path(name) if isinstance(name, (str, os.PathLike)) else settings.warehouse_path


def _is_elsewhere(error: Exception, settings: Settings) -> bool:
    """Whether a file is missing where none of ours belongs, which is a mistake in a program."""
    folders = [PROJECT_ROOT, settings.dagster_home, settings.warehouse_path.parent, settings.report_dir]
    folders += [settings.source_dir] if settings.source_dir else []
    path = _file_of(error, settings)
    return isinstance(error, FileNotFoundError) and not any(path.is_relative_to(folder) for folder in folders)


def _write(words: str, style: str) -> None:
    Console(stderr=True, highlight=False).print(Text(words, style=style), soft_wrap=True)
