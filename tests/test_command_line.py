"""What a command says on the terminal when it fails."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from greenery_assets.command_line import command
from greenery_assets.settings import PROJECT_ROOT
from greenery_assets.warehouse import StatementError


@pytest.fixture(autouse=True)
def home(tmp_path: Path) -> Iterator[Path]:
    """A home of the test's own; what `prepare` sets is gone after it."""
    before = dict(os.environ)
    os.environ |= {
        "DAGSTER_HOME": str(tmp_path / "home"),
        "GREENERY_SOURCE_DIR": str(tmp_path / "source"),
        "GREENERY_WAREHOUSE_PATH": str(tmp_path / "data" / "w.duckdb"),
        "GREENERY_REPORT_DIR": str(tmp_path / "report"),
    }
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def fail(error: Exception) -> None:
    """A command that fails."""
    with command():
        raise error


@pytest.mark.parametrize("place", ["report/page.html", "elsewhere/x", "data/w.duckdb.wal"])
def test_the_file_that_an_error_is_about_is_named(place: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail(PermissionError(13, "x", str(home / place)))
    said = capsys.readouterr().err
    assert said == f"The user that runs this may not read or write {home / place}: grant access to it, and run again.\n"


def test_a_missing_file_is_explained_where_ours_belong_and_keeps_its_traceback_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (home / "home" / "x", home / "data" / "x", home / "source" / "x", PROJECT_ROOT / "x"):
        with pytest.raises(typer.Exit):
            fail(FileNotFoundError(2, "x", str(path)))
        assert f"{path} is not there" in capsys.readouterr().err
    for name in (str(home / "elsewhere"), "a_program"):
        with pytest.raises(FileNotFoundError):
            fail(FileNotFoundError(2, "x", name))


def test_dbt_is_found_beside_python_or_on_the_path_and_where_it_is_not_the_remedy_is_said(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from greenery_assets.dbt import project  # noqa: PLC0415  it imports Dagster
    from greenery_assets.dbt.project import dbt_executable  # noqa: PLC0415

    # As users have it; other tests fork dbt (conftest).
    monkeypatch.setattr(project, "DBT_COMMAND", "greenery-dbt")
    monkeypatch.setenv("PATH", "/nowhere")
    beside = dbt_executable()
    assert Path(beside).parent == Path(sys.executable).parent
    monkeypatch.setattr(sys, "executable", str(home / "python"))
    with pytest.raises(typer.Exit), command():
        dbt_executable()
    assert capsys.readouterr().err == (
        "greenery-dbt is not installed: run make run once more, or pip install -e . again.\n"
    )
    (home / "bin").mkdir()
    elsewhere = shutil.copy(beside, home / "bin")
    monkeypatch.setenv("PATH", str(home / "bin"))
    assert dbt_executable() == str(elsewhere)


def test_a_statement_that_a_server_refuses_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        fail(StatementError("SyntaxError", "42601"))
    said = capsys.readouterr().err
    assert "refused a statement (SyntaxError (SQLSTATE 42601)); its log says why." in said
