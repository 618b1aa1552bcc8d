"""Every environment variable of the project, typed and validated in one place.

What a setting means and its default belong here; what is done with it belongs where it is done.
Values come from the environment, else from `.env` at the project's root.
"""

import os
import re
import shutil
import unicodedata
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

DAGSTER_PORT = 3000
PROJECT_ROOT = Path(__file__).resolve().parents[1]
LONGEST_CHANNEL_NAME = 80


class SettingsError(Exception):
    """A setting that cannot be used; the text names it, its value and what it must be."""


def _from_project_root(path: Path) -> Path:
    # dbt runs in its own folder and Dagster in another: a relative path must mean one place to all.
    return path if path.is_absolute() else (PROJECT_ROOT / path.expanduser()).resolve()


def _ledger_from_project_root(url: str) -> str:
    file = re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)", url)
    return f"{file[1]}{_from_project_root(Path(file[2]))}{file[3]}" if file else url


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be an IANA time zone such as Europe/Berlin or UTC")
    return name


def is_channel(name: str) -> bool:
    """Whether Slack could have a channel of this "#name" (small letters of any script) or id."""
    if re.fullmatch(r"[CG][A-Z0-9]{8,}", name):
        return True
    letters = name.removeprefix("#")
    return (
        name.startswith("#")
        and 1 <= len(letters) <= LONGEST_CHANNEL_NAME
        and letters == letters.lower()
        and all(letter in "-_" or unicodedata.category(letter)[0] in "LMN" for letter in letters)
    )


def _channel(name: str) -> str:
    if not is_channel(name):
        raise ValueError("must be a channel's #name (in .env in quotes, as # starts a comment) or its id")
    return name


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"xox[!-~]+", token.get_secret_value()):
        raise ValueError("must be a Slack token, which starts with xoxb- and has no blanks")
    return token


def _memory(limit: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)? ?([KMGT]i?B)|([1-9]\d?|100)%", limit):
        raise ValueError("must be a size such as 4GB, or a share of the machine's memory such as 80%")
    return limit


ProjectPath = Annotated[Path, AfterValidator(_from_project_root)]


class Settings(BaseSettings):
    """The project's settings; `.env.example` documents each for users.

    Paths are absolute, relative ones being taken from the project's root. `max_age_hours` is in hours,
    `volume_band` in standard deviations, `max_session_share`, `max_figure_step`, `max_row_loss` and
    `max_rejected_share` are shares from 0 to 1.
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
    memory_limit: Annotated[str, AfterValidator(_memory)] = "80%"
    max_age_hours: float = Field(default=36, gt=0)
    volume_band: float = Field(default=3, gt=0)
    max_session_share: float = Field(default=0.2, gt=0, le=1)
    max_figure_step: float = Field(default=0.05, gt=0, le=1)
    max_row_loss: float = Field(default=0.5, ge=0, le=1)
    max_rejected_share: float = Field(default=0.2, ge=0, le=1)
    report_dir: ProjectPath = Field(default=Path("data/report"), validate_default=True)
    slack_token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    slack_channel: Annotated[str, AfterValidator(_channel)] = "#data-alerts"
    slack_api_url: HttpUrl = HttpUrl("https://slack.com/api/")
    alerts_file: ProjectPath = Field(default=Path("greenery_assets/alerts/routing.yml"), validate_default=True)
    alerts_ledger: Annotated[str, AfterValidator(_ledger_from_project_root)] | None = None

    @property
    def sample_dir(self) -> Path:
        """Where sample data lies when no source is configured."""
        return PROJECT_ROOT / "data" / "sample"

    @property
    def ui_port(self) -> int:
        """Where `make ui` listens: the port that `ui_url` names, else Dagster's own."""
        return urlsplit(str(self.ui_url)).port or DAGSTER_PORT

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that people are told times in."""
        return ZoneInfo(self.timezone)

    @property
    def ledger_url(self) -> str:
        """The database of the alert ledger, as SQLAlchemy names it."""
        return self.alerts_ledger or f"sqlite:///{self.dagster_home / 'alerts.sqlite'}"

    @property
    def preview_path(self) -> Path:
        """Where messages are written when no token for Slack is set."""
        return self.report_dir / "alerts.html"

    @property
    def report_page(self) -> Path:
        """The page that tells the state of the data."""
        return self.report_dir / "state_of_the_data.html"

    @property
    def report_picture(self) -> Path:
        """The same in short, as a picture."""
        return self.report_dir / "state_of_the_data.png"

    @property
    def docs_page(self) -> Path:
        """dbt's documentation of the tables."""
        return self.report_dir / "dbt_docs.html"

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
            f"{_given(item['loc'], item['input'])}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise SettingsError("These settings cannot be used:\n  " + "\n  ".join(lines)) from None
    os.environ["DAGSTER_HOME"] = str(settings.dagster_home)
    # What a run plans is stored at once (storage.py).
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"
    os.environ["GREENERY_WAREHOUSE_PATH"] = str(settings.warehouse_path)
    # Dagster shows a resource's configuration in the web interface, but not the value of a variable.
    os.environ["GREENERY_SLACK_TOKEN"] = settings.slack_token.get_secret_value() if settings.slack_token else ""
    os.environ["GREENERY_MEMORY_LIMIT"] = settings.memory_limit
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


def shown(path: Path) -> str:
    """A path as people want to read it: from where they are, if that is near."""
    near = os.path.relpath(path)
    return near if near.count("..") < 3 else str(path)


def _given(location: tuple[int | str, ...], value: object) -> str:
    name = str(location[0])
    variable = name if name.isupper() else f"GREENERY_{name.upper()}"
    return f"{variable}={'(hidden)' if name == 'slack_token' else repr(value)}"
