"""Every environment variable of the project, typed and validated in one place.

The meaning and the default of each setting are here; `environment` decides which names are allowed. Values come from
the environment, else from `.env` at the project's root (PROJECT_ROOT). Reading them changes nothing; preparation.py
makes what they name.
"""

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, available_timezones

import yaml
from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from greenery_assets.alerts.blocks import is_channel
from greenery_assets.environment import (
    Assignment,
    EnvironmentNamesError,
    asked_for_by,
    check_names,
    empty_names,
    read_env_file,
)

DAGSTER_PORT = 3000
PACKAGE = Path(__file__).resolve().parent
# The wheel has the dbt project inside (setup.py). In a checkout it lies beside the package.
IS_INSTALLED = (PACKAGE / "dbt_project").is_dir()
BESIDE = PACKAGE if IS_INSTALLED else PACKAGE.parent
# Where relative paths start: what is installed serves the folder that it is started in.
PROJECT_ROOT = Path.cwd() if IS_INSTALLED else PACKAGE.parent
GROUPS_YAML = BESIDE / "dbt_project" / "models" / "_groups.yml"
# The schemas of the warehouse that are not named after a group.
OTHER_SCHEMAS = frozenset({"landing", "snapshots", "quality"})
# Where data is read from and kept, and who hears of it: emptied by mistake, their defaults would bring sample data into
# a shop's warehouse, begin a second history, or keep alerts from Slack. The others fall back to safe defaults.
NEVER_EMPTY = frozenset(
    {
        "engine",
        "source_dir",
        "warehouse_path",
        "postgres_url",
        "spark_url",
        "spark_folder",
        "dagster_home",
        "report_dir",
        "slack_token",
        "slack_channel",
        "slack_api_url",
        "alerts_file",
        "alerts_ledger",
        "ping_url",
    }
)
SECRET = frozenset({"slack_token", "alerts_ledger", "postgres_url", "ping_url"})
# The databases that a warehouse can be in (docs/engines.md), each with the modules that it needs.
ENGINES = {
    "duckdb": (),
    "postgres": ("psycopg2", "dbt.adapters.postgres"),
    "spark": ("pyhive", "dbt.adapters.spark"),
}


class SettingsError(Exception):
    """A setting that cannot be used; the text names it, its value and what it must be."""


def _from_project_root(path: Path) -> Path:
    if not can_be_written_down(path):
        raise ValueError("must be a path in UTF-8 without control characters")
    try:
        path = path.expanduser()
        # dbt runs in its own folder and Dagster in another: a relative path must mean one place to all.
        return path if path.is_absolute() else (PROJECT_ROOT / path).resolve()
    except RuntimeError:
        raise ValueError("must be a path; it names a user who is not known here, or a loop of links") from None


def schemas() -> frozenset[str]:
    """The schemas of the warehouse, most of which are named after a group of dbt."""
    groups = yaml.safe_load(GROUPS_YAML.read_text(encoding="utf-8"))["groups"]
    return OTHER_SCHEMAS | {group["name"] for group in groups}


def _warehouse(path: Path) -> Path:
    # DuckDB names the catalog after the file, and would not know which of the two `landing.x` means.
    if path.name.partition(".")[0].lower() in schemas():
        raise ValueError(
            "must be a file of another name, such as greenery.duckdb: a schema of the warehouse has this name"
        )
    return path


def _home(path: Path) -> Path:
    if re.search(r"\?|%[0-9A-Fa-f]{2}", str(path)):
        raise ValueError(
            f"must be a folder without ? and %-escapes in its path, which Dagster's databases cannot have ({path}); "
            "name another in DAGSTER_HOME"
        )
    return path


def _ledger_from_project_root(url: str) -> str:
    file = re.fullmatch(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?]+)(.*)", url)
    if not file:
        return url
    path, root = str(_from_project_root(Path(file[2]))), str(PROJECT_ROOT)
    # What was given is a URL's text already; the project's path may have a % of its own.
    return f"{file[1]}{path.replace(root, root.replace('%', '%25').replace('?', '%3F'), 1)}{file[3]}"


def _known_timezone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be an IANA time zone such as Europe/Berlin or UTC")
    return name


def _channel(name: str) -> str:
    if not is_channel(name):
        raise ValueError("must be a channel's #name (in .env in quotes, as # starts a comment) or its id")
    return name


def _token(token: SecretStr) -> SecretStr:
    if not re.fullmatch(r"xox[!-~]+", token.get_secret_value()):
        raise ValueError("must be a Slack token, which starts with xoxb- and has no blanks")
    return token


def _ping(url: SecretStr) -> SecretStr:
    host = r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(:[0-9]{1,5})?"
    if not re.fullmatch(rf"https?://{host}(/[!-\"$-~]*)?", url.get_secret_value(), re.ASCII):
        raise ValueError("must be an address such as https://hc-ping.com/your-uuid, without user or password")
    return url


def _memory(limit: str) -> str:
    if not re.fullmatch(r"([1-9][0-9]{0,5}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9]) ?([KMGT]i?B)|([1-9][0-9]?|100)%", limit):
        raise ValueError("must be a size such as 4GB, or a share of the machine's memory such as 80%")
    return limit


@dataclass(frozen=True)
class PostgresAddress:
    """A database of a PostgreSQL server, and as whom to open it; `sslmode` as libpq knows it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    sslmode: str

    @classmethod
    def parse(cls, url: str) -> "PostgresAddress":
        """The address that a URL is. Raises ValueError, which quotes nothing of it: it may hold a password."""
        try:
            parts = urlsplit(url)
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            host, port, user = parts.hostname, parts.port or 5432, unquote(parts.username or "")
        except ValueError:  # whose text quotes the place
            host, port, user, options = None, 0, "", {}
        database, sslmode = unquote(parts.path[1:]) if host else "", options.pop("sslmode", "prefer")
        is_known = parts.scheme in POSTGRES_SCHEMES if host else False
        if not (host and user and database and is_known) or "/" in database or options or parts.fragment:
            raise ValueError(
                "must be postgresql://user:password@host:5432/database, which may end in ?sslmode=require; in user and "
                "password write @ as %40, / as %2F, : as %3A, # as %23 and % as %25"
            )
        if sslmode not in SSL_MODES:
            raise ValueError(f"must have an sslmode of {', '.join(SSL_MODES)}")
        return cls(host, port, user, unquote(parts.password or ""), database, sslmode)

    def __str__(self) -> str:
        return f"{self.database} on {self.host}:{self.port}"


@dataclass(frozen=True)
class SparkAddress:
    """A Thrift server of Spark, and the folder, under the same path here and on the cluster, that rows go through."""

    host: str
    port: int
    folder: Path

    @property
    def notes(self) -> Path:
        """The DuckDB file of what landing notes."""
        return self.folder / "notes.duckdb"

    def __str__(self) -> str:
        return f"in Spark on {self.host}:{self.port}"


# How the file is called in which runs work, after the one that people open; dbt_project/profiles.yml says it too.
WORKING = ".working"


def working_file(published: Path) -> Path:
    """The DuckDB file in which runs work, beside the one that people open."""
    return published.with_name(f"{published.name}{WORKING}")


POSTGRES_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _engine(name: str) -> str:
    if name not in ENGINES:
        raise ValueError("must be duckdb, postgres or spark")
    if any(find_spec(module) is None for module in ENGINES[name]):
        raise ValueError(f"needs a driver that is not installed: pip install 'greenery-assets[{name}]'")
    return name


def _postgres(url: SecretStr) -> SecretStr:
    PostgresAddress.parse(url.get_secret_value())
    return url


def _spark(url: str) -> str:
    port = re.fullmatch(r"thrift://[\w.-]+:([1-9][0-9]{0,4})", url, re.ASCII)
    if port is None or int(port[1]) > 65_535:
        raise ValueError("must be thrift://host:10000, without user or password")
    return url


def _shared(path: Path) -> Path:
    if not re.fullmatch(r"[\w./ -]+", str(path), re.ASCII):
        raise ValueError("must be a folder with no more than letters, digits, blanks and . _ - in its path")
    return path


ProjectPath = Annotated[Path, AfterValidator(_from_project_root)]


class Settings(BaseSettings):
    """The project's settings; `.env.example` documents each for users.

    Paths are absolute, relative ones being taken from the project's root. `max_age_hours` is in hours,
    `volume_band` in standard deviations, `max_session_share`, `max_figure_step`, `max_row_loss` and
    `max_rejected_share` are shares from 0 to 1, `keep_days` and `keep_personal_days` are in days.
    """

    model_config = SettingsConfigDict(
        env_prefix="GREENERY_",
        env_file=PROJECT_ROOT / ".env",
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        allow_inf_nan=False,
    )

    engine: Annotated[str, AfterValidator(_engine)] = "duckdb"
    postgres_url: Annotated[SecretStr, AfterValidator(_postgres)] | None = None
    spark_url: Annotated[str, AfterValidator(_spark)] | None = None
    spark_folder: Annotated[ProjectPath, AfterValidator(_shared)] | None = None
    source_dir: ProjectPath | None = None
    warehouse_path: Annotated[ProjectPath, AfterValidator(_warehouse)] = Field(
        default=Path("data/greenery.duckdb"), validate_default=True
    )
    dagster_home: Annotated[ProjectPath, AfterValidator(_home)] = Field(
        default=Path("dagster_home"), validation_alias="DAGSTER_HOME", validate_default=True
    )
    timezone: Annotated[str, AfterValidator(_known_timezone)] = "UTC"
    ui_url: HttpUrl = HttpUrl("http://localhost:3000")
    memory_limit: Annotated[str, AfterValidator(_memory)] = "80%"
    max_age_hours: float = Field(default=36, gt=0, le=1_000_000)
    volume_band: float = Field(default=3, gt=0, le=1000)
    max_session_share: float = Field(default=0.2, gt=0, le=1)
    max_figure_step: float = Field(default=0.05, gt=0, le=1)
    max_row_loss: float = Field(default=0.5, ge=0, le=1)
    max_rejected_share: float = Field(default=0.2, ge=0, le=1)
    keep_days: int = Field(default=400, ge=7, le=36_500)
    keep_personal_days: int = Field(default=30, ge=1, le=36_500)
    report_dir: ProjectPath = Field(default=Path("data/report"), validate_default=True)
    slack_token: Annotated[SecretStr, AfterValidator(_token)] | None = None
    slack_channel: Annotated[str, AfterValidator(_channel)] = "#data-alerts"
    slack_api_url: HttpUrl = HttpUrl("https://slack.com/api/")
    alerts_file: ProjectPath = Field(default=PACKAGE / "routing.yml", validate_default=True)
    # It may hold a password.
    alerts_ledger: Annotated[str, AfterValidator(_ledger_from_project_root)] | None = Field(default=None, repr=False)
    ping_url: Annotated[SecretStr, AfterValidator(_ping)] | None = None

    @property
    def warehouse(self) -> Path | PostgresAddress | SparkAddress:
        """Where runs work: a DuckDB file beside the one that people open, a PostgreSQL database, or a Spark server."""
        if self.engine == "spark" and self.spark_url and self.spark_folder:
            parts = urlsplit(self.spark_url)
            return SparkAddress(str(parts.hostname), parts.port or 0, self.spark_folder)
        if self.engine == "postgres" and self.postgres_url:
            return PostgresAddress.parse(self.postgres_url.get_secret_value())
        return working_file(self.warehouse_path)

    @property
    def dbt_target(self) -> Path:
        """Where dbt writes what it parsed and ran."""
        return self.dagster_home / "dbt" if IS_INSTALLED else BESIDE / "dbt_project" / "target"

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
        """The time zone in which people read times."""
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
        """The page about the state of the data."""
        return self.report_dir / "state_of_the_data.html"

    @property
    def report_pages(self) -> dict[date, Path]:
        """The pages that are kept: the last one of each day."""
        found = {}
        for path in self.report_dir.glob(f"{self.report_page.stem}_*.html"):
            with suppress(ValueError):
                found[date.fromisoformat(path.stem.rpartition("_")[2])] = path
        return found

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


# The variable of each field.
VARIABLES = {
    name: str(field.validation_alias or f"GREENERY_{name.upper()}") for name, field in Settings.model_fields.items()
}


def load_settings() -> Settings:
    """Read the settings. Changes nothing.

    Raises SettingsError naming each variable that is not known, is empty without a safe default, or cannot be used.
    """
    try:
        entries = entries_of_env_file()
        check_names(os.environ, entries, VARIABLES.values(), asked_for_by(_dagster_yaml(entries)))
        empty = empty_names(os.environ, entries, [VARIABLES[name] for name in NEVER_EMPTY])
    except EnvironmentNamesError as error:
        raise SettingsError(str(error)) from None
    lines = [
        f"{variable} is empty {where}: give it a value, or remove it to have its default (docs/settings.md)."
        for variable, where in sorted(empty.items())
    ]
    try:
        settings = Settings()
    except ValidationError as error:
        lines += [
            f"{_given(item['loc'], item['input'])}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
    else:
        lines += _undecided(settings) if not lines else []
    if lines:
        raise SettingsError("These settings cannot be used:\n  " + "\n  ".join(lines))
    return settings


def _undecided(settings: Settings) -> list[str]:
    """What is wrong with settings that are right each for itself."""
    needed = {
        "postgres": {"postgres_url": "postgresql://user:password@host:5432/database"},
        "spark": {
            "spark_url": "thrift://host:10000",
            "spark_folder": "a folder that this machine and the cluster see under one path",
        },
    }
    if missing := {
        field: form for field, form in needed.get(settings.engine, {}).items() if not getattr(settings, field)
    }:
        return [
            f"{VARIABLES[field]} is not set, which GREENERY_ENGINE={settings.engine} needs: {form}"
            for field, form in missing.items()
        ]
    # Lost, the setting would begin a second warehouse in silence.
    named = [engine for engine, fields in needed.items() if any(getattr(settings, field) for field in fields)]
    if named and "engine" not in settings.model_fields_set:
        given = next(VARIABLES[field] for field in needed[named[0]] if getattr(settings, field))
        return [f"GREENERY_ENGINE is not set, but {given} is: set GREENERY_ENGINE to {named[0]} or duckdb"]
    return []


def entries_of_env_file() -> list[Assignment]:
    """The assignments of `.env`. Raises EnvironmentNamesError."""
    env_file = Settings.model_config.get("env_file")
    return read_env_file(Path(str(env_file)), VARIABLES.values()) if env_file else []


def _dagster_yaml(entries: list[Assignment]) -> Path:
    """The configuration of Dagster's home, which is the project's own where the home is still to be made."""
    variable = VARIABLES["dagster_home"]
    given = os.environ.get(variable) or next((entry.value for entry in entries if entry.name == variable), "")
    own = BESIDE / "dagster_home" / "dagster.yaml"
    try:
        found = _from_project_root(Path(given)) / "dagster.yaml" if given else own
        return found if found.exists() else own
    except (ValueError, OSError):
        # The check of the home itself reports that.
        return own


def can_be_written_down(path: Path) -> bool:
    """Whether a path is UTF-8 without control characters. Others cannot be stored in Dagster or shown on a page."""
    return not re.search(r"[\x00-\x1f\x7f\ud800-\udfff]", str(path))


def is_writable(path: Path) -> bool:
    """Whether this process may read and write a file, or make files in a folder."""
    mode = os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def shown(path: Path) -> str:
    """A path for people: relative to the current folder if it is near, else absolute."""
    near = os.path.relpath(path)
    return near if near.count("..") < 3 else str(path)


def _given(location: tuple[int | str, ...], value: object) -> str:
    # Dagster's variable is found by its own name, ours by the field's.
    name = next((field for field, variable in VARIABLES.items() if location[0] in {field, variable}), str(location[0]))
    # An address may hold a password.
    said = "(hidden)" if name in SECRET else re.sub(r"//[^/\s]*@", "//(hidden)@", repr(str(value)))
    return f"{VARIABLES.get(name, name)}={said}"
