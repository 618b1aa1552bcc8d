"""Settings: defaults, paths, and errors that a person can act on."""

from pathlib import Path

import pytest

from greenery_assets.settings import PROJECT_ROOT, Settings, SettingsError, load_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "GREENERY_SOURCE_DIR",
        "GREENERY_WAREHOUSE_PATH",
        "DAGSTER_HOME",
        "GREENERY_MAX_SESSION_SHARE",
        "GREENERY_MEMORY_LIMIT",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GREENERY_WAREHOUSE_PATH", str(tmp_path / "data" / "w.duckdb"))


def test_relative_paths_are_taken_from_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SOURCE_DIR", "data/mine")
    assert Settings().source_dir == PROJECT_ROOT / "data" / "mine"


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SOURCE_DIR", "")
    assert Settings().source_dir is None


def test_loading_makes_the_folders_dbt_and_dagster_need(tmp_path: Path) -> None:
    load_settings()
    assert (tmp_path / "data").is_dir()
    assert (tmp_path / "home").is_dir()


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
    ],
)
def test_a_bad_setting_is_named_with_its_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert f"{name}='{value}'" in str(error.value)
    assert says in str(error.value)


def test_the_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "xoxb-secret")
    assert "secret" not in repr(load_settings())
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "my secret")
    with pytest.raises(SettingsError, match=r"GREENERY_SLACK_TOKEN=\(hidden\): must be a Slack token"):
        load_settings()


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
    readme = (PROJECT_ROOT / "README.md").read_text()
    for name in Settings.model_fields:
        variable = "DAGSTER_HOME" if name == "dagster_home" else f"GREENERY_{name.upper()}"
        assert f"# {variable}=" in example
        assert f"`{variable}`" in readme
