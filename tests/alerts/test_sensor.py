"""One tick of the sensor as the definitions have it, with its resources; and what a watcher outside hears of it."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from filelock import FileLock

from greenery_assets.alerts import ping
from greenery_assets.alerts.schema import LedgerError
from greenery_assets.alerts.sensors import PatientSlackResource
from tests.job import Home
from tests.ports import free_port
from tests.slack.fake import FakeSlack


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    home = Home.new(tmp_path)
    for name, value in home.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GREENERY_SLACK_TOKEN", raising=False)
    return home


def tick(**resources: dg.ConfigurableResource) -> str:
    """Evaluate the sensor as the daemon has it done, with its own resources or others; returns what it says."""
    from greenery_assets.definitions import defs  # noqa: PLC0415  reads the settings

    repository = defs.get_repository_def()
    with (
        dg.DagsterInstance.get() as instance,
        dg.build_sensor_context(
            instance=instance,
            repository_def=repository,
            resources={**repository.get_top_level_resources(), **resources},
        ) as context,
    ):
        return repository.get_sensor_def("failed_checks_sensor").evaluate_tick(context).skip_message or ""


def test_without_a_token_it_ticks_and_draws_the_page(home: Home) -> None:
    assert tick() == "0 ended runs read, 0 messages sent, 0 wait."
    assert (home.dagster_home.parent / "report" / "alerts.html").exists()


def test_with_a_token_it_talks_to_slack_only_when_there_is_something_to_say(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeSlack() as slack:
        monkeypatch.setenv("GREENERY_SLACK_TOKEN", slack.token)
        # As the definitions have it where a token was set when they were loaded.
        resource = PatientSlackResource(token=dg.EnvVar("GREENERY_SLACK_TOKEN"), base_url=slack.url)
        assert tick(slack=resource) == "0 ended runs read, 0 messages sent, 0 wait."
        assert slack.requests == []
    assert not (home.dagster_home.parent / "report").exists()


def test_beside_another_pass_it_leaves_the_work_to_that_one(home: Home) -> None:
    with FileLock(home.dagster_home / "alerts.lock"):
        assert "Another process is at work" in tick()


class Watcher(ThreadingHTTPServer):
    """A server such as healthchecks.io: it notes what it is asked for, and answers with `status`, or never."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Watching)
        self.secret = str(uuid4())
        self.heard: list[str] = []
        self.status = 200
        self.is_mute = threading.Event()
        self.goes_on = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{self.secret}"


class _Watching(BaseHTTPRequestHandler):
    server: Watcher

    def do_GET(self) -> None:
        self.server.heard.append(self.path.replace(self.server.secret, "SECRET"))
        if self.server.is_mute.is_set():
            self.server.goes_on.wait()
        # A server's own words may repeat the address.
        self.send_response(self.server.status, f"About {self.path}")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    with Watcher() as server:
        monkeypatch.setenv("GREENERY_PING_URL", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        yield server
        server.goes_on.set()
        server.shutdown()


def test_a_watcher_hears_of_good_passes_once_a_minute(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        assert tick() == "0 ended runs read, 0 messages sent, 0 wait."
    assert watcher.heard == ["/SECRET"]
    monkeypatch.setattr(ping, "PAUSE_S", 0)
    tick()
    assert watcher.heard == ["/SECRET"] * 2


def test_a_watcher_hears_at_once_of_a_pass_that_fails(
    watcher: Watcher, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    tick()
    (home.dagster_home / "not_a_file").mkdir()
    with monkeypatch.context() as patch:
        patch.setenv("GREENERY_ALERTS_LEDGER", f"sqlite:///{home.dagster_home / 'not_a_file'}")
        patch.setenv("GREENERY_PING_URL", f"{watcher.url}/?from=shop")
        for _ in range(2):
            with pytest.raises(LedgerError):
                tick()
    assert watcher.heard == ["/SECRET", "/SECRET/fail?from=shop"]


def test_a_watcher_hears_nothing_of_another_process_at_work(watcher: Watcher, home: Home) -> None:
    with FileLock(home.dagster_home / "alerts.lock"):
        tick()
    assert watcher.heard == []


def test_a_watcher_hears_nothing_while_messages_cannot_be_sent(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREENERY_SLACK_TOKEN", "xoxb-of-nobody")
    monkeypatch.setenv("GREENERY_REPORT_DIR", "/dev/null/report")
    tick_said = tick()
    assert "cannot be written" in tick_said
    assert watcher.heard == []


@pytest.mark.parametrize(
    ("fault", "words"), [("refuses", "answers with 404"), ("mute", "timed out"), ("gone", "refused")]
)
def test_a_ping_that_cannot_be_sent_is_reported_without_its_address_and_breaks_nothing(
    fault: str, words: str, watcher: Watcher, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ping, "PATIENCE_S", 0.2)
    watcher.status = 404
    if fault == "mute":
        watcher.is_mute.set()
    if fault == "gone":
        monkeypatch.setenv("GREENERY_PING_URL", f"http://127.0.0.1:{free_port()}/{watcher.secret}")
    said = tick()
    assert said.startswith("0 ended runs read, 0 messages sent, 0 wait. The ping to GREENERY_PING_URL")
    assert words in said
    written = "".join(capfd.readouterr())
    assert words in written
    assert watcher.secret not in said + written
