"""Variables of dbt and Dagster that somebody has set reach neither, and change no result."""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from greenery_assets.environment import FOREIGN_NAMES, KEPT, asked_for_by, foreign_names
from tests.job import MARTS, Home, Outcome, copy_of_project

# All that Dagster's packages read from the environment by a name that is not Dagster's own. None changes what is built
# or kept: sizes of pages, waits, telemetry, settings of tests and of programs not used here. TZ and PATH are decided
# where they matter.
WITHOUT_EFFECT = {
    "ALERT_EMAIL_PASSWORD", "ASSET_BACKFILL_CURSOR_DELAY_TIME", "ASSET_BACKFILL_CURSOR_OFFSET", "BUILDKITE", "CI",
    "DEBUGPY_RUNNING", "DG_CLI_CONFIG", "ENVIRONMENT", "FRESHNESS_DAEMON_INTERVAL_SECONDS",
    "GET_ASSET_RECORDS_FOR_DATA_VERSION_BATCH_SIZE", "GITHUB_TOKEN", "MY_SLACK_TOKEN", "PATH",
    "PYTHONLEGACYWINDOWSSTDIO", "PYTHONWARNINGS", "SLACK_TOKEN", "STRICT_GRPC_SERVER_PROCESS_WAIT", "TF_BUILD", "TZ",
    "XDG_CONFIG_HOME",
}  # fmt: skip
DAGSTER_PACKAGES = (
    "dagster", "dagster_dbt", "dagster_graphql", "dagster_pipes", "dagster_shared", "dagster_slack",
    "dagster_webserver",
)  # fmt: skip
# Read by dbt, or by the web server, without being parameters of dbt's command line.
MORE = {
    "DBT_ENV_CUSTOM_ENV_SHOP": "1",
    "DBT_ENV_SECRET_TOKEN": "1",
    "DBT_PACKAGE_HUB_URL": "http://localhost:9",
    "DBT_PP_TEST": "1",
    "DBT_RECORDER_MODE": "record",
    "DBT_ENGINE_RECORDER_MODE": "record",
    "DBT_ENGINE_NO_SUCH_THING": "1",
    "DAGIT_HOST": "0.0.0.0",
    "DAGSTER_CLI_DEV_HOST": "0.0.0.0",
    "DAGSTER_WEBSERVER_HOST": "0.0.0.0",
}


def declared_by_dbt() -> dict[str, str]:
    """Every variable that dbt's command line declares, with a value that its parameter takes and that is no default."""
    from dbt.cli.main import cli  # noqa: PLC0415  seconds

    assert isinstance(cli, click.Group)
    parameters = [parameter for command in [cli, *cli.commands.values()] for parameter in command.params]
    return {
        name: plausible(name, parameter)
        for parameter in parameters
        if parameter.envvar
        for name in ([parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar)
    }


# By the end of the name; the others get one by their type.
PLAUSIBLE = {
    "EXCLUDE_RESOURCE_TYPES": "test",
    "RESOURCE_TYPES": "model",
    "EVENT_TIME_START": "2020-01-01",
    "EVENT_TIME_END": "2020-01-02",
    "SAMPLE": "1 day",
    "WARN_ERROR_OPTIONS": "{error: all}",
}


def plausible(name: str, parameter: click.Parameter) -> str:
    for end, value in PLAUSIBLE.items():
        if name.endswith(end):
            return value
    if isinstance(parameter.type, click.Choice):
        return str(next(choice for choice in parameter.type.choices if choice != parameter.default))
    if isinstance(parameter.type, click.types.BoolParamType):
        return str(not parameter.default)
    return "1" if isinstance(parameter.type, click.types.IntParamType) else "elsewhere"


def read_by_dagster() -> tuple[set[str], set[str]]:
    """The names in the sources of Dagster's packages that begin as its variables do, and all others that are read."""
    own: set[str] = set()
    others: set[str] = set()
    for package in DAGSTER_PACKAGES:
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        root = Path(spec.origin).parent
        for file in root.rglob("*.py"):
            # What its own tests read is not read here.
            if "test" not in file.relative_to(root).as_posix():
                text = file.read_text()
                own |= set(re.findall(r"[\"']((?:DAGSTER|DAGIT)_\w+)[\"']", text))
                others |= set(re.findall(r"(?:getenv|environ(?:\.get)?)[(\[]\s*[\"'](\w+)[\"']", text))
    return own, {name for name in others if not name.startswith(("DAGSTER_", "DAGIT_", "DBT_"))}


def test_no_variable_of_dbts_command_line_reaches_it() -> None:
    declared = declared_by_dbt()
    assert len(declared) > 100
    assert {"DBT_EMPTY", "DBT_ENGINE_EMPTY", "DBT_RESOURCE_TYPES", "DBT_QUIET", "DBT_TARGET"} <= declared.keys()
    for name in declared:
        assert foreign_names([name]) == [name]
    assert foreign_names(MORE) == sorted(MORE)


def test_of_dagsters_variables_only_those_pass_that_it_sets_itself() -> None:
    own, others = read_by_dagster()
    assert len(own) > 100
    assert own >= KEPT
    assert set(foreign_names(own)) == own - KEPT
    # One that is new in another release of Dagster must be looked at.
    assert others == WITHOUT_EFFECT | FOREIGN_NAMES
    assert foreign_names(WITHOUT_EFFECT) == []


def test_what_dagsters_home_asks_for_passes(tmp_path: Path) -> None:
    home = tmp_path / "dagster.yaml"
    home.write_text(
        "storage: {postgres: {postgres_db: {password: {env: DAGSTER_PG_PASSWORD}, params: [{env: DBT_EMPTY}]}}}\n"
    )
    asked_for = asked_for_by(home)
    assert asked_for == {"DAGSTER_PG_PASSWORD", "DBT_EMPTY"}
    assert foreign_names(["DAGSTER_PG_PASSWORD", "DAGSTER_PG_USER", "DBT_EMPTY"], asked_for) == [
        "DAGSTER_PG_USER",
        "DBT_EMPTY",
    ]
    for broken in (b"\xff", b"a: [", b"- 1"):
        home.write_bytes(broken)
        assert asked_for_by(home) == set()
    assert asked_for_by(tmp_path / "nothing") == set()


@pytest.fixture
def environment() -> Iterator[None]:
    """What is changed of the environment is as before after the test."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("environment")
def test_whatever_loads_the_project_is_rid_of_them() -> None:
    """The web server's code server, the daemon's runs and `dagster job execute` come by no command of ours."""
    from greenery_assets.dbt.project import prepared_manifest  # noqa: PLC0415  it imports Dagster

    os.environ |= MORE | {"DBT_EMPTY": "1", "DAGSTER_IS_DEV_CLI": "1", "GREENERY_CHECKS": "none"}
    prepared_manifest()
    assert not os.environ.keys() & (MORE.keys() | {"DBT_EMPTY", "GREENERY_CHECKS"})
    assert "DAGSTER_IS_DEV_CLI" in os.environ


@pytest.mark.slowest
def test_with_every_variable_set_at_once_the_daily_job_does_what_it_always_does(
    built: tuple[Home, Outcome], sample_dir: Path, tmp_path: Path
) -> None:
    home, undisturbed = Home.new(tmp_path / "home"), built[1]
    # As Jenkins calls the folder of a branch; only Dagster's home must be elsewhere.
    project = copy_of_project(tmp_path / "main%2Fdaily")
    (project / "data").mkdir()
    # What a user of dbt has lying about is not ours either.
    user = tmp_path / "user"
    (user / ".dbt").mkdir(parents=True)
    (user / ".dbt" / "profiles.yml").write_text("greenery: {target: elsewhere, outputs: {}}\n")
    (user / ".dbt" / "dbt_cloud.yml").write_text("no: [yaml\n")
    variables = declared_by_dbt() | MORE | dict.fromkeys(read_by_dagster()[0] - KEPT, "1")
    variables |= {"MAX_LIMIT_GET_EVENT_RECORDS": "1", "GREENERY_CHECKS": "none", "GREENERY_PREVIEW": "{}"}

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "HOME": str(user)}.items():
            patch.setenv(name, value)
        done = home.command(sample_dir, "run", project=project, GREENERY_ALERTS_LEDGER="sqlite:///data/alerts.sqlite")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {len(undisturbed.checks)} checks hold." in done.stdout
    assert "DBT_EMPTY" in done.stderr
    outcome = home.last_outcome()
    assert outcome.checks == undisturbed.checks
    assert set(outcome.planned) == set(undisturbed.planned)
    assert set(outcome.built) == set(undisturbed.built)
    schemas = ("raw", "staging", *MARTS)
    assert (project / "data" / "alerts.sqlite").exists()
    assert home.fingerprints(schemas) == built[0].fingerprints(schemas)
