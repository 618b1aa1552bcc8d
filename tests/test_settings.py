"""Settings: defaults, paths, and errors that a person can act on; what they leave of the environment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenery_assets.preparation import prepare
from greenery_assets.settings import (
    NEVER_EMPTY,
    PROJECT_ROOT,
    VARIABLES,
    Settings,
    SettingsError,
    load_settings,
)
from tests.job import ROOT, copy_of_project


@pytest.fixture(autouse=True)
def _bare_environment(tmp_path: Path) -> Iterator[None]:
    """Nothing set but a home and a warehouse of the test's own; what a test or `prepare` sets is gone after it."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("GREENERY_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ |= {
        "DAGSTER_HOME": str(tmp_path / "home"),
        "GREENERY_WAREHOUSE_PATH": str(tmp_path / "data" / "w.duckdb"),
    }
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the project's `.env` is read from; the test writes it."""
    file = tmp_path / ".env"
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    return file


def refused() -> str:
    """Why the settings are refused."""
    with pytest.raises(SettingsError) as error:
        load_settings()
    return str(error.value)


def test_relative_paths_are_taken_from_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SOURCE_DIR", "data/mine")
    assert Settings().source_dir == PROJECT_ROOT / "data" / "mine"


# A value that is not there


@pytest.mark.parametrize("field", sorted(VARIABLES))
def test_an_empty_variable_means_the_default_only_where_that_is_safe(
    field: str, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = VARIABLES[field]
    monkeypatch.setenv(variable, "")
    if field in NEVER_EMPTY:
        assert f"{variable} is empty in the environment" in refused()
        monkeypatch.delenv(variable)
        env_file.write_text(f"# of the shop\n{variable}=\n")
        assert f"{variable} is empty in line 2 of {env_file}" in refused()
        env_file.write_text(f"{variable}=${{NOT_SET_ANYWHERE}}\n")
        assert f"{variable} is empty in line 1 of {env_file}, as the variable that it takes its value from" in refused()
        # Dagster's own commands put what the file comes to into the environment.
        monkeypatch.setenv(variable, "")
        assert f"{variable} is empty in line 1 of {env_file}, as" in refused()
    else:
        assert getattr(load_settings(), field) == Settings.model_fields[field].default


def test_what_has_no_safe_default_is_all_that_says_where_data_lies_and_who_hears_of_it() -> None:
    assert set(VARIABLES) - NEVER_EMPTY == {
        "timezone",
        "ui_url",
        "memory_limit",
        "max_age_hours",
        "volume_band",
        "max_session_share",
        "max_figure_step",
        "max_row_loss",
        "max_rejected_share",
        "keep_days",
        "keep_personal_days",
    }


def test_an_empty_variable_of_the_environment_does_not_hide_behind_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file.write_text("GREENERY_SOURCE_DIR=/data/shop\n")
    assert load_settings().source_dir == Path("/data/shop")
    monkeypatch.setenv("GREENERY_SOURCE_DIR", " ")
    assert "GREENERY_SOURCE_DIR is empty in the environment" in refused()


# Names that are no settings


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("GREENERY_SORCE_DIR", "GREENERY_SOURCE_DIR"),
        ("GREENERY_SOURCE", "GREENERY_SOURCE_DIR"),
        ("greenery_source_dir", "GREENERY_SOURCE_DIR"),
        ("Greenery_Source_Dir", "GREENERY_SOURCE_DIR"),
        ("GREENRY_SOURCE_DIR", "GREENERY_SOURCE_DIR"),
        ("GREENERYSOURCE_DIR", "GREENERY_SOURCE_DIR"),
        ("GREENERY_WAREHOUSE_PAHT", "GREENERY_WAREHOUSE_PATH"),
        ("DAGSTER_HOEM", "DAGSTER_HOME"),
        ("dagster_home", "DAGSTER_HOME"),
    ],
)
def test_a_name_that_is_no_setting_is_an_error_with_the_nearest_name(
    name: str, nearest: str, env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    assert f"{name} in the environment is no setting; the nearest name is {nearest}." in refused()
    monkeypatch.delenv(name)
    for written in (f"{name}=x", f"export {name}='x'", f"  export  {name} = x  # why"):
        env_file.write_text(f"\n\n# of the shop\n\n{written}\n")
        assert f"{name} in line 5 of {env_file} is no setting; the nearest name is {nearest}." in refused()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("SOURCE_DIR", "the nearest name is GREENERY_SOURCE_DIR"),
        ("Slack_Token", "the nearest name is GREENERY_SLACK_TOKEN"),
        ("GREEN_SOURCE_DIR", "the nearest name is GREENERY_SOURCE_DIR"),
        ("GREENRY_X", "is no setting"),
        ("GREENERY_CHECKS", "is no setting"),
        ("DBT_TARGET", "has no effect"),
        ("DAGSTER_EVENT_BATCH_SIZE", "has no effect"),
    ],
)
def test_in_the_file_a_name_that_only_begins_or_ends_like_ours_is_an_error_too(
    name: str, says: str, env_file: Path
) -> None:
    env_file.write_text(f"{name}=x\n")
    assert f"{name} in line 1 of {env_file}" in refused()
    assert says in refused()


def test_names_of_other_programs_are_left_alone(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE_DIR", "GREENPLUM_HOME", "TIMEZONE", "DBT_EMPTY", "DAGSTER_CLOUD_HOST", "GREEN"):
        monkeypatch.setenv(name, "x")
    for name in ("CI_GREENERY_SLACK_TOKEN", "MY_GREENERY_SOURCE_DIR", "OTHER_DAGSTER_HOME"):
        monkeypatch.setenv(name, "x")
    env_file.write_text("COMPOSE_PROJECT_NAME=shop\nPOSTGRES_PASSWORD=p\nexport HTTPS_PROXY=http://proxy:3128\n")
    assert load_settings().source_dir is None


@pytest.mark.parametrize("service", ["GREENERY", "GREENERY_WEB_UI"])
def test_what_kubernetes_sets_for_a_service_of_our_name_is_left_alone(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "80",
        "SERVICE_PORT_HTTP": "80",
        "PORT": "tcp://10.0.0.1:80",
        "PORT_80_TCP": "tcp://10.0.0.1:80",
        "PORT_80_TCP_PROTO": "tcp",
        "PORT_80_TCP_PORT": "80",
        "PORT_80_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(f"{service}_{name}", value)
    load_settings()
    monkeypatch.setenv(f"{service}_PORT", "3000")
    assert f"{service}_PORT in the environment is no setting" in refused()


def test_what_another_program_wants_to_read_in_the_file_is_left_alone(env_file: Path) -> None:
    others = 'KEY="-----BEGIN KEY-----\nMIIE\n-----END KEY-----"\nexport FOO\nBAR\nA=1\nA=2\n'
    env_file.write_text(f"{others}GREENERY_SOURCE_DIR=/data\n")
    assert load_settings().source_dir == Path("/data")
    env_file.write_text(f"{others}GREENERY_SORCE_DIR=/data\n")
    assert f"GREENERY_SORCE_DIR in line 8 of {env_file}" in refused()
    # A quote that is not closed would hide ours.
    env_file.write_text("A='x\nGREENERY_SOURCE_DIR=/data\nB='\n")
    assert "begins in line 1" in refused()


def test_what_dagsters_home_takes_from_the_environment_may_be_in_the_file_and_reaches_it(env_file: Path) -> None:
    home = Path(os.environ["DAGSTER_HOME"])
    home.mkdir()
    env_file.write_text("DAGSTER_POSTGRES_PASSWORD=secret\nDBT_EMPTY=1\n")
    assert "DAGSTER_POSTGRES_PASSWORD in line 1" in refused()
    (home / "dagster.yaml").write_text("storage: {password: {env: DAGSTER_POSTGRES_PASSWORD}, x: [{env: DBT_EMPTY}]}\n")
    assert "DAGSTER_POSTGRES_PASSWORD" not in refused()
    assert "DBT_EMPTY in line 2" in refused()
    env_file.write_text("DAGSTER_POSTGRES_PASSWORD=secret\n")
    prepare(load_settings())
    assert os.environ["DAGSTER_POSTGRES_PASSWORD"] == "secret"


# A file that cannot be read


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("GREENERY_TIMEZONE=UTC\n".encode("utf-16"), "is UTF-16"),
        ("GREENERY_TIMEZONE=UTC\n".encode("utf-16-le"), "is UTF-16"),
        (b"\n# caf\xe9\nGREENERY_SOURCE_DIR=/data\n", "Line 2 of {} is not UTF-8"),
        (b"GREENERY_SOURCE_DIR=/data\xff\n", "Line 1 of {} is not UTF-8"),
        (b"\n\nGREENERY_SOURCE_DIR /data\n", "Line 3 of {} is no NAME=value"),
        (b"GREENERY_SOURCE_DIR\n", "Line 1 of {} is no NAME=value"),
        (b"A=1\nGREENERY_SOURCE_DIR: /data\n", "Line 2 of {} is no NAME=value"),
        (b"GREENERY_SOURCE_DIR='/data\nGREENERY_TIMEZONE=UTC\n", "Line 1 of {} has a quote that is not closed"),
        (b'A=1\r\nGREENERY_SOURCE_DIR="/data\r\n', "Line 2 of {} has a quote that is not closed"),
        (b"GREENERY_SOURCE_DIR='/data\nGREENERY_TIMEZONE='UTC'\n", "{}"),
        (b"GREENERY_SOURCE_DIR='/data\nA='\n", "begins in line 1 of {} goes on in the next"),
        (b"A=1\nGREENERY_SOURCE_DIR=/a\nexport GREENERY_SOURCE_DIR=/b\n", "set in line 2 and again in line 3 of {}"),
        (b"xoxb-secret\n", "Line 1 of {} is no NAME=value"),
        (b"GREENERY_SLACK_TOKEN='xoxb-secret\n", "Line 1 of {} has a quote that is not closed"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named_with_its_line(content: bytes, says: str, env_file: Path) -> None:
    env_file.write_bytes(content)
    said = refused()
    assert says.format(env_file) in said
    assert "secret" not in said


def test_a_file_that_is_a_folder_or_a_link_to_nothing_is_an_error(env_file: Path) -> None:
    env_file.mkdir()
    assert f"{env_file} is a folder" in refused()
    env_file.rmdir()
    env_file.symlink_to(env_file.parent / "nowhere")
    assert f"{env_file} cannot be read" in refused()


@pytest.mark.parametrize("content", ["\ufeffGREENERY_SOURCE_DIR=/data\n", "GREENERY_SOURCE_DIR=/data\r\nA=1\r\n"])
def test_a_byte_order_mark_and_line_ends_of_windows_are_fine(content: str, env_file: Path) -> None:
    env_file.write_bytes(content.encode())
    assert load_settings().source_dir == Path("/data")


# Reading and preparing


def test_reading_settings_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DBT_EMPTY", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "1")
    before = dict(os.environ)
    load_settings()
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


def test_preparing_makes_the_folders_dbt_and_dagster_need_and_exports_what_they_read(
    tmp_path: Path, env_file: Path
) -> None:
    env_file.write_text("GREENERY_MAX_SESSION_SHARE=0.5\nGREENERY_SLACK_TOKEN=xoxb-1\n")
    prepare(load_settings())
    assert (tmp_path / "data").is_dir()
    assert (tmp_path / "home" / "dagster.yaml").exists()
    assert os.environ["GREENERY_MAX_SESSION_SHARE"] == "0.5"
    assert os.environ["GREENERY_SLACK_TOKEN"] == "xoxb-1"
    # What is exported is read again by every operation, and by every process that Dagster starts.
    assert load_settings() == load_settings()


@pytest.mark.parametrize(
    ("variable", "broken", "says"),
    [
        ("GREENERY_WAREHOUSE_PATH", "a_folder", "is a folder; name a file"),
        ("GREENERY_WAREHOUSE_PATH", "a_pipe", "is no plain file; name another one"),
        ("GREENERY_WAREHOUSE_PATH", "/dev/null", "is no plain file; name another one"),
        ("GREENERY_WAREHOUSE_PATH", "a_file/x.duckdb", "a file is in its place or above it"),
        ("GREENERY_WAREHOUSE_PATH", "/proc/no_disk/x.duckdb", "No such file"),
        ("GREENERY_WAREHOUSE_PATH", "x" * 300 + "/x.duckdb", "File name too long"),
        ("DAGSTER_HOME", "a_file", "a file is in its place or above it"),
        ("DAGSTER_HOME", "a_file/home", "a file is in its place or above it"),
        ("GREENERY_REPORT_DIR", "a_file", "is a file; name a folder"),
    ],
)
def test_a_place_that_cannot_be_used_is_named_with_its_setting(
    variable: str, broken: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_folder").mkdir()
    (tmp_path / "a_file").touch()
    os.mkfifo(tmp_path / "a_pipe")
    monkeypatch.setenv(variable, str(tmp_path / broken))
    with pytest.raises(SettingsError) as error:
        prepare(load_settings())
    assert variable in str(error.value)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GREENERY_TIMEZONE", "Mars/Olympus", "IANA time zone"),
        ("GREENERY_MAX_AGE_HOURS", "soon", "valid number"),
        ("GREENERY_MAX_AGE_HOURS", "0", "greater than 0"),
        ("GREENERY_MAX_SESSION_SHARE", "20", "less than or equal to 1"),
        ("GREENERY_MEMORY_LIMIT", "lots", "a size such as 4GB"),
        ("GREENERY_MEMORY_LIMIT", "120%", "a size such as 4GB"),
        ("GREENERY_UI_URL", "localhost", "URL"),
        ("GREENERY_SLACK_CHANNEL", "data alerts", "a channel's #name"),
        ("GREENERY_SLACK_CHANNEL", "#data alerts", "a channel's #name"),
        ("GREENERY_SLACK_CHANNEL", "#Übersicht", "a channel's #name"),
        ("GREENERY_SLACK_CHANNEL", "#", "a channel's #name"),
        ("GREENERY_SLACK_CHANNEL", "#a.b", "a channel's #name"),
        ("GREENERY_SLACK_CHANNEL", "C012345", "a channel's #name"),
        ("GREENERY_SLACK_API_URL", "slack", "URL"),
        ("GREENERY_UI_URL", "http://", "URL"),
        ("GREENERY_UI_URL", "http://:3000", "host"),
        ("GREENERY_UI_URL", "http://localhost:99999", "port"),
        ("GREENERY_MAX_AGE_HOURS", "nan", "finite number"),
        ("GREENERY_MAX_AGE_HOURS", "inf", "finite number"),
        ("GREENERY_MAX_AGE_HOURS", "1e400", "finite number"),
        ("GREENERY_MAX_AGE_HOURS", "1e300", "less than or equal to"),
        ("GREENERY_VOLUME_BAND", "-inf", "finite number"),
        ("GREENERY_MAX_FIGURE_STEP", "NaN", "finite number"),
        ("GREENERY_MEMORY_LIMIT", "99999999999999999999GB", "a size such as 4GB"),
        ("GREENERY_MEMORY_LIMIT", "0GB", "a size such as 4GB"),
        ("GREENERY_MEMORY_LIMIT", "\u0664GB", "a size such as 4GB"),
        ("GREENERY_TIMEZONE", "../etc/passwd", "IANA time zone"),
        ("GREENERY_TIMEZONE", "/etc/localtime", "IANA time zone"),
        ("GREENERY_SOURCE_DIR", "~no_such_user/data", "a user who is not known here"),
        ("DAGSTER_HOME", "~no_such_user/home", "a user who is not known here"),
        ("DAGSTER_HOME", "/jobs/main%2Fdaily/home", "name another in DAGSTER_HOME"),
        ("DAGSTER_HOME", "/jobs/what?/home", "name another in DAGSTER_HOME"),
        ("GREENERY_WAREHOUSE_PATH", "/data/landing.duckdb", "a file of another name"),
        ("GREENERY_WAREHOUSE_PATH", "Core.v2.duckdb", "a file of another name"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    said = refused()
    assert f"{name}='{value}'" in said
    assert says in said


def test_a_path_that_is_not_utf_8_is_named_and_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SOURCE_DIR", os.fsdecode(b"/data/caf\xe9"))
    assert "GREENERY_SOURCE_DIR" in refused().encode("ascii").decode()


def test_a_warehouse_is_not_named_like_a_schema_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from greenery_assets.dbt.project import prepared_manifest  # noqa: PLC0415  it imports Dagster

    nodes = prepared_manifest()["nodes"].values()
    # DuckDB gives a file called main another name itself.
    schemas = {node["schema"] for node in nodes} - {"main"} | {"raw", "landing"}
    assert len(schemas) >= 8
    for schema in schemas:
        monkeypatch.setenv("GREENERY_WAREHOUSE_PATH", f"/data/{schema}.duckdb")
        assert "a file of another name" in refused(), schema


def test_the_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "xoxb-secret")
    assert "secret" not in repr(load_settings())
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "my secret")
    with pytest.raises(SettingsError, match=r"GREENERY_SLACK_TOKEN=\(hidden\): must be a Slack token"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GREENERY_SLACK_TOKEN", "secret"),
        ("GREENERY_SLACK_API_URL", "http://me:secret@/api"),
        ("GREENERY_UI_URL", "http://me:secret@host:99999/"),
        ("GREENERY_ALERTS_LEDGER", "sqlite:///~no_such_user/secret"),
        ("GREENERY_PING_URL", "ping.example/secret"),
        ("GREENERY_PING_URL", "file:///etc/secret"),
        ("GREENERY_PING_URL", "https://me:secret@ping.example/"),
        ("GREENERY_PING_URL", "https://ping.example/secret of mine"),
        ("GREENERY_PING_URL", "https://ping.example/secret#part"),
    ],
)
def test_no_error_shows_a_secret(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    assert variable in refused()
    assert "secret" not in refused()


def test_the_address_of_the_watcher_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("https://ping.example/secret", "http://[::1]:8000/api/secret?status=up"):
        monkeypatch.setenv("GREENERY_PING_URL", given)
        settings = load_settings()
        assert settings.ping_url is not None
        assert settings.ping_url.get_secret_value() == given
        assert "secret" not in repr(settings)


def test_the_ledgers_password_is_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_ALERTS_LEDGER", "postgresql+psycopg2://me:secret@host/x")
    assert "secret" not in repr(load_settings())


@pytest.mark.parametrize("name", ["#übersicht", "#данные_1", "#データ-2026", "#हिन्दी", f"#{'a' * 80}", "C0123ABCD"])
def test_a_channel_may_be_named_in_any_script_or_by_its_id(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("GREENERY_SLACK_CHANNEL", name)
    assert Settings().slack_channel == name


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("sqlite:///data/x.sqlite", f"sqlite:///{PROJECT_ROOT}/data/x.sqlite"),
        ("sqlite+pysqlite:///x.sqlite?timeout=5", f"sqlite+pysqlite:///{PROJECT_ROOT}/x.sqlite?timeout=5"),
        ("sqlite:////var/x.sqlite", "sqlite:////var/x.sqlite"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg2://me:secret@host/x", "postgresql+psycopg2://me:secret@host/x"),
    ],
)
def test_a_relative_ledger_is_taken_from_the_project(monkeypatch: pytest.MonkeyPatch, given: str, meant: str) -> None:
    monkeypatch.setenv("GREENERY_ALERTS_LEDGER", given)
    assert Settings().ledger_url == meant


def test_every_setting_is_documented() -> None:
    example = (PROJECT_ROOT / ".env.example").read_text()
    page = (PROJECT_ROOT / "docs" / "settings.md").read_text()
    for variable in VARIABLES.values():
        assert f"# {variable}=" in example
        assert f"`{variable}`" in page


# What starts the project


def started(*command: str, project: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("greenery_assets", "run"),
        ("greenery_assets", "ui"),
        ("greenery_assets", "report"),
        ("greenery_assets", "docs"),
        ("greenery_assets", "alerts", "status"),
        ("greenery_assets", "alerts", "test"),
    ],
)
def test_each_command_ends_in_one_sentence_for_a_mistake_in_a_setting(command: tuple[str, ...]) -> None:
    done = started(*command, project=ROOT, GREENERY_SOURCE_DIR="")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "These settings cannot be used:\n  GREENERY_SOURCE_DIR is empty in the environment: give it a value, or remove "
        "it to have its default (docs/settings.md).\n"
    )


@pytest.mark.slow
def test_loading_the_definitions_says_the_same_and_a_jenkins_folder_is_explained(tmp_path: Path) -> None:
    project = copy_of_project(tmp_path / "main%2Fdaily")
    (project / ".env").write_text("GREENERY_SORCE_DIR=/data\n")
    Path(os.environ["DAGSTER_HOME"]).mkdir()
    done = started("dagster", "definitions", "validate", "-w", "workspace.yaml", project=project)
    assert done.returncode == 1
    assert "SettingsError: GREENERY_SORCE_DIR in line 1 of" in done.stdout + done.stderr
    (project / ".env").unlink()
    done = started("greenery_assets", "run", project=project, DAGSTER_HOME=str(project / "dagster_home"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "which Dagster's databases cannot have" in done.stderr
    # With a home elsewhere only dbt's own folder is in the way.
    (project / "dbt_project" / "target").touch()
    done = started("greenery_assets", "docs", project=project)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{project / 'dbt_project' / 'target'} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, ("GREENERY_SPARK_URL is not set, which GREENERY_ENGINE=spark needs: thrift:", "GREENERY_SPARK_FOLDER i")),
        ({"SPARK_URL": "thrift://h:1"}, ("GREENERY_SPARK_FOLDER is not set, which GREENERY_ENGINE=spark needs",)),
        *(
            ({"SPARK_URL": wrong}, ("must be thrift://host:10000, without user or password",))
            for wrong in ("h:10000", "thrift://h", "thrift://u:secret@h:1", "http://h:1", "thrift://h:70000", "thrift://h:1/x")
        ),
        ({"SPARK_FOLDER": "/a`b"}, ("must be a folder with no more than letters",)),
        ({"ENGINE": "duckdb-or-so"}, ("must be duckdb, postgres or spark",)),
    ],
)  # fmt: skip
def test_settings_of_spark_that_are_wrong(
    settings: dict[str, str], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenery_assets.settings.find_spec", lambda _: "installed")
    monkeypatch.setenv("GREENERY_ENGINE", "spark")
    for name, value in settings.items():
        monkeypatch.setenv(f"GREENERY_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    for word in words:
        assert word in str(caught.value)
    assert "secret" not in str(caught.value)


def test_an_engine_that_is_not_named_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENERY_ENGINE", raising=False)
    monkeypatch.setenv("GREENERY_SPARK_URL", "thrift://h:1")
    with pytest.raises(
        SettingsError, match="GREENERY_ENGINE is not set, but GREENERY_SPARK_URL is: set GREENERY_ENGINE"
    ):
        load_settings()
