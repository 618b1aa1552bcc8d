"""Why a dbt failed, by its exit status and its surroundings."""

from pathlib import Path
from typing import NamedTuple

import pytest

from greenery_assets.dbt.failures import killed, killed_by, left_out, surroundings


@pytest.mark.parametrize(
    ("returncode", "number"), [(0, None), (1, None), (2, None), (None, None), (-9, 9), (137, 9), (-15, 15), (143, 15)]
)
def test_a_signal_is_read_from_the_exit_status(returncode: int | None, number: int | None) -> None:
    assert killed_by(returncode) == number


def test_a_killed_dbt_is_no_failure_of_content() -> None:
    assert killed(9, 30, 35) == (
        "dbt was killed by signal 9 after it had built 30 of 35 tables, usually because memory ran out: lower "
        "GREENERY_MEMORY_LIMIT or free memory, and run again."
    )
    assert "memory" not in killed(15, 30, 35)


def test_what_was_left_out_is_named_and_counted() -> None:
    assert left_out([], []) is None
    said = left_out(["core/dim_users"], [f"check_{n}" for n in range(5)])
    assert said
    assert said.startswith(
        "dbt reported success but did not build 1 planned table (core/dim_users) and did not evaluate 5 planned checks "
        "(check_0, check_1, check_2 and 2 more)."
    )


class Usage(NamedTuple):
    """What shutil says of a disk."""

    total: int
    used: int
    free: int


def test_a_full_disk_a_missing_folder_and_missing_memory_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = tmp_path / "greenery.duckdb"
    assert surroundings(["Compilation Error in model dim_users"], warehouse) is None
    out_of_memory = "Runtime Error in model int_page_views (models/x.sql)\n  Out of Memory Error: failed to allocate"
    assert "GREENERY_MEMORY_LIMIT" in str(surroundings([out_of_memory], warehouse))
    assert surroundings(["Value 'Out of Memory Error: x' is no date"], warehouse) is None
    assert "is not there" in str(surroundings([], tmp_path / "gone" / "greenery.duckdb"))
    # A disk cannot be filled in a test.
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(100, 99, 1))
    assert str(surroundings([], warehouse)).startswith(f"The disk that holds {warehouse} has only 0 MB left: make room")
