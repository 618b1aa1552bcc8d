"""Every environment variable of the project, typed and validated in one place.

What a setting means and its default belong here; what is done with it belongs where it is done.
Values come from the environment, else from `.env` at the project's root.
"""

import os
import shutil
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, HttpUrl, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

DAGSTER_PORT = 3000
PROJECT_ROOT = Path(__file__).resolve().parents[1]


class SettingsError(Exception):
    """A setting that cannot be used; the text names it, its value and what it must be."""


def _from_project_root(path: Path) -> Path:
    # dbt runs in its own folder and Dagster in another: a relative path must mean one place to all.
    return path if path.is_absolute() else (PROJECT_ROOT / path.expanduser()).resolve()


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be an IANA time zone such as Europe/Berlin or UTC")
    return name


ProjectPath = Annotated[Path, AfterValidator(_from_project_root)]


class Settings(BaseSettings):
    """The project's settings; `.env.example` documents each for users.

    Paths are absolute, relative ones being taken from the project's root. `max_age_hours` is in hours,
    `volume_band` in standard deviations, `max_session_share` and `max_figure_step` are shares from 0 to 1.
    """

    model_config = SettingsConfigDict(
        env_prefix="GREENERY_", env_file=PROJECT_ROOT / ".env", env_ignore_empty=True, extra="ignore"
    )

    source_dir: ProjectPath | None = None
    warehouse_path: ProjectPath = Field(default=Path("data/greenery.duckdb"), validate_default=True)
    dagster_home: ProjectPath = Field(
        default=Path("dagster_home"), validation_alias="DAGSTER_HOME", validate_default=True
    )
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    ui_url: HttpUrl = HttpUrl("http://localhost:3000")
    max_age_hours: float = Field(default=36, gt=0)
    volume_band: float = Field(default=3, gt=0)
    max_session_share: float = Field(default=0.2, gt=0, le=1)
    max_figure_step: float = Field(default=0.05, gt=0, le=1)

    @property
    def sample_dir(self) -> Path:
        """Where sample data lies when no source is configured."""
        return PROJECT_ROOT / "data" / "sample"

    @property
    def ui_port(self) -> int:
        """Where `make ui` listens: the port that `ui_url` names, else Dagster's own."""
        return urlsplit(str(self.ui_url)).port or DAGSTER_PORT

    def ui_link(self, path: str) -> str:
        """The address of a page of the web interface."""
        return f"{str(self.ui_url).rstrip('/')}/{path}"


def load_settings() -> Settings:
    """Read the settings and hand those that dbt and Dagster read themselves to the environment.

    Raises SettingsError naming each variable that cannot be used.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [
            f"{_variable(item['loc'])}={item['input']!r}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise SettingsError("These settings cannot be used:\n  " + "\n  ".join(lines)) from None
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    os.environ["GREENERY_WAREHOUSE_PATH"] = str(settings.warehouse_path)
    os.environ["GREENERY_MAX_SESSION_SHARE"] = str(settings.max_session_share)
    # dbt opens the file and Dagster its home before anything of ours runs: both folders must be there.
    try:
        settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
        settings.dagster_home.mkdir(parents=True, exist_ok=True)
        if not (settings.dagster_home / "dagster.yaml").exists():
            # Without it two runs could write to the warehouse at once.
            shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", settings.dagster_home)
    except OSError as error:
        raise SettingsError(
            f"{error.filename} cannot be made ({error.strerror}); name another folder in GREENERY_WAREHOUSE_PATH "
            "or DAGSTER_HOME."
        ) from None
    return settings


def _variable(location: tuple[int | str, ...]) -> str:
    name = str(location[0])
    return name if name.isupper() else f"GREENERY_{name.upper()}"
