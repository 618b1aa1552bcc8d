"""A landing to try things on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from .support import HEADER, ROW, Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)


@pytest.fixture
def landing_with_item(landing: Landing) -> Callable[[str], Landing]:
    """A landing whose items.csv holds one good row and the given one."""

    def make(row: str) -> Landing:
        landing.write("items.csv", f"{HEADER}\n{ROW}\n{row}\n")
        return landing

    return make
