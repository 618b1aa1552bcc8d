"""What the settings name, made: the folders that dbt and Dagster need, and the environment that they read.

A process calls `prepare` once, before either starts. Not here: what the settings mean (settings.py), and which names
are foreign (environment.py).
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from greenery_assets.environment import HANDED_TO_DBT, POSTGRES_NAMES, asked_for_by, foreign_names, is_passed_on
from greenery_assets.settings import (
    BESIDE,
    IS_INSTALLED,
    PostgresAddress,
    Settings,
    SettingsError,
    SparkAddress,
    entries_of_env_file,
    is_writable,
)


def prepare(settings: Settings) -> list[str]:
    """Make the folders that dbt and Dagster need, and set the environment of this process for them.

    Variables of dbt and Dagster that somebody set are removed: they could publish empty tables with every check green.
    Returns their names. Raises SettingsError if a folder or file of the settings cannot be used.
    """
    _prepare_folders(settings)
    asked_for = asked_for_by(settings.dagster_home / "dagster.yaml")
    foreign = foreign_names(os.environ, asked_for)
    if isinstance(settings.warehouse, PostgresAddress):
        foreign = sorted({*foreign, *POSTGRES_NAMES.intersection(os.environ)})
    for name in foreign:
        del os.environ[name]
    for entry in entries_of_env_file():
        if is_passed_on(entry.name, asked_for):
            os.environ.setdefault(entry.name, entry.value)
    exported = {
        "DAGSTER_HOME": str(settings.dagster_home),
        "GREENERY_ENGINE": settings.engine,
        "GREENERY_WAREHOUSE_PATH": str(settings.warehouse_path),
        "GREENERY_MEMORY_LIMIT": settings.memory_limit,
        "GREENERY_MAX_SESSION_SHARE": str(settings.max_session_share),
    }
    if IS_INSTALLED:
        # By itself dbt writes into its project, which is no place for data then.
        exported |= {"DBT_TARGET_PATH": str(settings.dbt_target), "DBT_LOG_PATH": str(settings.dbt_target)}
    if settings.slack_token:
        # Dagster shows a resource's configuration in the web interface, but not the value of a variable.
        exported["GREENERY_SLACK_TOKEN"] = settings.slack_token.get_secret_value()
    if isinstance(settings.warehouse, PostgresAddress):
        # The names are those of dbt_project/profiles.yml.
        exported |= {
            "GREENERY_POSTGRES_HOST": settings.warehouse.host,
            "GREENERY_POSTGRES_PORT": str(settings.warehouse.port),
            "GREENERY_POSTGRES_USER": settings.warehouse.user,
            "GREENERY_POSTGRES_DATABASE": settings.warehouse.database,
            "GREENERY_POSTGRES_SSLMODE": settings.warehouse.sslmode,
            # So called dbt writes its value into no log.
            "DBT_ENV_SECRET_GREENERY_PASSWORD": settings.warehouse.password,
            # Otherwise the clock that a snapshot reads is in the zone of the server.
            "PGTZ": "UTC",
        }
    if isinstance(settings.warehouse, SparkAddress):
        exported["GREENERY_SPARK_URL"] = str(settings.spark_url)
    os.environ |= exported
    return [name for name in foreign if name not in exported and name not in HANDED_TO_DBT]


def _prepare_folders(settings: Settings) -> None:
    warehouse, home, report = settings.warehouse_path, settings.dagster_home, settings.report_dir
    if settings.engine == "duckdb":
        with _naming("GREENERY_WAREHOUSE_PATH"):
            if warehouse.is_dir():
                raise SettingsError(
                    f"GREENERY_WAREHOUSE_PATH={warehouse} is a folder; name a file, such as "
                    f"{warehouse / 'greenery.duckdb'}."
                )
            # To open a pipe waits for its other end, for ever.
            if warehouse.exists() and not warehouse.is_file():
                raise SettingsError(f"GREENERY_WAREHOUSE_PATH={warehouse} is no plain file; name another one.")
            # dbt opens the file and Dagster its home before anything of ours runs: both folders must be there.
            warehouse.parent.mkdir(parents=True, exist_ok=True)
    with _naming("DAGSTER_HOME"):
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            # Without it two runs could write to the warehouse at once.
            shutil.copy(BESIDE / "dagster_home" / "dagster.yaml", home)
        if not is_writable(home):
            raise SettingsError(f"DAGSTER_HOME={home} is not writable; change its rights, or name another folder.")
    with _naming("GREENERY_REPORT_DIR"):
        if report.exists() and not report.is_dir():
            raise SettingsError(f"GREENERY_REPORT_DIR={report} is a file; name a folder.")


@contextmanager
def _naming(variable: str) -> Iterator[None]:
    """Say of an error of the file system which setting names what failed."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(
            f"{error.filename} cannot be a folder, as a file is in its place or above it; name another place in "
            f"{variable}."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"{error.filename2 or error.filename} cannot be made or used ({error.strerror}); name another place in "
            f"{variable}, or change what is there."
        ) from None
