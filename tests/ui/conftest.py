"""A built warehouse behind the real Dagster web interface, and a browser to look at it with.

Servers and browsers start and end here; what they must show is the tests' business.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, sync_playwright

from greenery_assets.settings import PROJECT_ROOT
from tests.conftest import REAL_EXPORT
from tests.job import Home, Outcome
from tests.ports import free_port
from tests.ui.report_days import DAYS, PAGE

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 15
POLL_S = 0.25
PAGE_TIMEOUT_MS = 45_000
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Site:
    """The web interface's address and what its server has logged so far."""

    url: str
    log: Path


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed")
    return found


@pytest.fixture(scope="session")
def built_env(
    chromium: str,  # noqa: ARG001  skips before building
    built: tuple[Home, Outcome],
    sample_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The environment of a Dagster home and a warehouse of its own, after one daily job on sample data."""
    home = built[0].copy(tmp_path_factory.mktemp("site"))
    return {**os.environ, **home.environment(sample_dir)}


@pytest.fixture(scope="session")
def site(built_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    log = tmp_path_factory.mktemp("server") / "dagster.log"
    port = str(free_port())
    command = [sys.executable, "-m", "dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", port]
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=built_env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until(lambda: _answers(f"{url}/server_info"), process, log)
            yield Site(url, log)
        finally:
            _stop_group(process)


@pytest.fixture(scope="session")
def homes(shared_dir: Path, sample_dir: Path, built: tuple[Home, Outcome], stopped: Home) -> Callable[[str], Path]:
    """The page that each kind of day leaves, built when it is first asked for."""

    def report_of(kind: str) -> Path:
        folder = shared_dir / f"page_{kind}"
        with FileLock(f"{folder}.lock"):
            if not folder.exists():
                DAYS[kind](folder, sample_dir, built[0], stopped)
        return folder / "report" / PAGE

    return report_of


@pytest.fixture(scope="module")
def built_before_the_browser(homes: Callable[[str], Path], request: pytest.FixtureRequest) -> None:
    """While the browser is open no job can run in this process: what is looked at is built before."""
    for kind in DAYS:
        homes(kind)
    if REAL_EXPORT.exists():
        request.getfixturevalue("real_built")


# For one module only: while Playwright is open an event loop runs, and nothing else can start its own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_ARGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A new window on the web interface; addresses may leave out the server."""
    context = browser.new_context(
        base_url=site.url, viewport={"width": 1000, "height": 1000}, device_scale_factor=1.8, color_scheme="light"
    )
    context.set_default_timeout(PAGE_TIMEOUT_MS)
    yield context.new_page()
    context.close()


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def _wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_S)
            pytest.fail(f"the web server ended with {process.returncode}:\n{log.read_text()}")
        if time.monotonic() > deadline:
            pytest.fail(f"the web server did not answer in {START_TIMEOUT_S} s:\n{log.read_text()}")


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    """End the server and the code servers that it started; the hard way if they do not leave by themselves."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
