"""A landing to try things on: it is how a warehouse is made."""

from pathlib import Path

import pytest

from tests.landing.support import Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path)
