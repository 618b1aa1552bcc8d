"""The command line: what it prints, and one clear line for every argument it cannot use."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenery_assets.sample.cli import app
from greenery_assets.sample.defects import CATALOGUE
from greenery_assets.settings import PROJECT_ROOT

runner = CliRunner()


def test_summary_names_every_table_and_the_last_day(tmp_path: Path) -> None:
    result = runner.invoke(app, ["--out", str(tmp_path / "out"), "--orders", "20"])

    last_days = {str((datetime.now(UTC) - timedelta(days=back)).date()) for back in (1, 2)}
    assert result.exit_code == 0
    assert any(f"30 days until {day}" in result.output for day in last_days)
    assert all(table in result.output for table in ("users", "promos", "order_items", "events"))
    assert json.loads((tmp_path / "out" / "sample.json").read_text())["orders"] == 20


def test_every_argument_reaches_the_sample(tmp_path: Path) -> None:
    arguments = (
        "--events 1_000 --days 3 --until 2025-06-30 --seed 9 --format parquet --event-files daily "
        "--defect second_checkout:2 --defect stale"
    )
    result = runner.invoke(app, ["--out", str(tmp_path / "out"), *arguments.split()])

    assert result.exit_code == 0
    assert json.loads((tmp_path / "out" / "sample.json").read_text()) == {
        "until": "2025-06-30",
        "orders": None,
        "events": 1000,
        "days": 3,
        "seed": 9,
        "format": "parquet",
        "event_files": "daily",
        "defects": ["second_checkout:2", "stale"],
    }
    assert len(list((tmp_path / "out" / "events").glob("*.parquet"))) == 3


def test_list_defects_names_all_of_them() -> None:
    result = runner.invoke(app, ["--list-defects"])

    assert result.exit_code == 0
    assert [line.split(" ")[0] for line in result.output.splitlines()] == list(CATALOGUE)
    assert "stale (A20): Everything happened earlier. COUNT: days, default 30." in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--defect nonsense", "unknown defect nonsense; allowed are checkout_by_another_user, "),
        ("--defect second_checkout:many", "must be a whole number, 1 or more, not many"),
        ("--defect second_checkout:0", "must be a whole number, 1 or more, not 0"),
        ("--defect second_checkout:", "must be a whole number, 1 or more, not empty"),
        ("--defect heavy_user:100", "must be a whole number, 1 to 90, not 100"),
        ("--defect volume_drop:2", "defect volume_drop takes no count"),
        ("--format parquet --defect short_row", "defect short_row exists in csv only, not in parquet"),
        ("--days 0", "days must be 1 to 3650, not 0"),
        ("--orders 0", "orders must be 1 or more, not 0"),
        ("--events -5", "events must be 1 or more, not -5"),
        ("--orders 5 --events 5", "give the size in orders or in events, not in both"),
        ("--seed -1", "seed must be 0 or more, not -1"),
        ("--until 1969-12-31", "until must be 1970-01-01 to 2999-12-31, not 1969-12-31"),
        ("--until tomorrow", "does not match the format"),
        ("--format xml", "'xml' is not one of 'csv', 'parquet'"),
        ("--event-files hourly", "'hourly' is not one of 'one', 'daily'"),
        ("--days many", "valid integer"),
    ],
)
def test_bad_argument_is_one_clear_line(tmp_path: Path, arguments: str, message: str) -> None:
    result = runner.invoke(app, ["--out", str(tmp_path / "out"), *arguments.split()])

    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("real data")

    result = runner.invoke(app, ["--out", str(tmp_path)])

    assert result.exit_code == 2
    assert "choose a folder that is new, empty or an earlier sample" in result.stderr


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    result = runner.invoke(app, ["--out", str(tmp_path / "out")])

    assert result.exit_code == 2
    assert "is a file; a sample needs a folder of its own" in result.stderr


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("~no_such_user/sample", "names a user who is not known here"),
        (os.fsdecode(b"caf\xe9"), "must be a path in UTF-8"),
        ("/proc/no_disk/sample", "cannot be written (No such file or directory); name another folder with --out"),
        ("a_file/sample", "cannot be written (File exists); name another folder with --out"),
    ],
)
def test_folder_that_cannot_be_made_is_one_line_and_no_traceback(
    out: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a_file").touch()

    result = runner.invoke(app, ["--out", out, "--orders", "5"])

    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_count_beyond_the_sample_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--defect", "duplicate_promo:7"]
    result = subprocess.run(
        [sys.executable, "-m", "greenery_assets.sample", *arguments],
        cwd=PROJECT_ROOT,
        check=False,
        capture_output=True,
        text=True,
    )

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "error: defect duplicate_promo: 7 asked for, but this sample allows 0 to 6\n"
    assert list(tmp_path.iterdir()) == []


def test_module_runs_without_dagster(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['sample', '--out', {str(tmp_path / 'out')!r}, '--orders', '5']\n"
        "try: runpy.run_module('greenery_assets.sample', run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'dagster']\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True, capture_output=True)

    assert (tmp_path / "out" / "events.csv").exists()
