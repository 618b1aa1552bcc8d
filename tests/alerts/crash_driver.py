"""A process for test_crashes: runs passes of the alerts, each in a child that may be killed while it is at it.

A script. It reads a command per line, forks a child for it, and answers with the child's exit code. Importing takes
long, so it is done once; a child shares nothing else, neither Dagster's storage nor the ledger.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from sqlalchemy import Engine, event

from greenery_assets.alerts.ledger import Book, Ledger
from greenery_assets.alerts.slack import SlackTransport, slack_client
from greenery_assets.alerts.wording import Reader
from tests.alerts.projects import PROJECT, engine_at
from tests.alerts.shop import ROUTING, Shop, shop_in
from tests.slack.fake import FakeSlack

# As shop names it.
LEDGER = "alerts.sqlite"
Step = Callable[[], None]


@dataclass(frozen=True)
class Command:
    """One pass: on which Dagster home, with the ledger in which folder, to which Slack.

    It is killed at its step number `dies_at`, or `dies_after_s` seconds after it began, where given.
    """

    dagster_home: str
    ledger_folder: str
    slack_token: str
    slack_url: str
    timezone: str
    settle_s: float
    dies_at: int | None = None
    dies_after_s: float | None = None

    def dump(self) -> str:
        """As a line."""
        return json.dumps(asdict(self)) + "\n"


class SteppingLedger(Ledger):
    """A ledger with a step before and after each commit."""

    def __init__(self, engine: Engine, step: Step) -> None:
        super().__init__(engine)
        self._step = step

    @contextmanager
    def transaction(self) -> Iterator[Book]:
        """A transaction between whose last statement and its commit there is a step."""
        with super().transaction() as book:
            yield book
            self._step()
        self._step()


class SteppingTransport(SlackTransport):
    """Slack with a step before and after each call."""

    def __init__(self, token: str, url: str, step: Step) -> None:
        super().__init__(slack_client(token, url), PROJECT, logging.getLogger("alerts.test"))
        self._step = step

    def _call(self, shown_channel: str, method: str, **arguments: Any) -> dict[str, Any]:
        self._step()
        answer = super()._call(shown_channel, method, **arguments)
        self._step()
        return answer


def stepper(dies_at: int | None) -> Step:
    """Counts steps, and ends this process at one of them."""
    taken = 0

    def step() -> None:
        nonlocal taken
        taken += 1
        if taken == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def run_pass(command: Command, begins: Callable[[], object]) -> None:
    """One pass in this process; `begins` is called when all is open."""
    step = stepper(command.dies_at)
    ledger = open_ledger(Path(command.ledger_folder) / LEDGER, step)
    with dg.DagsterInstance.from_config(command.dagster_home) as instance:
        alerts = Shop(Path(command.ledger_folder), instance).alerts(
            SteppingTransport(command.slack_token, command.slack_url, step), settle=timedelta(seconds=command.settle_s)
        )
        reader = Reader(ZoneInfo(command.timezone), "http://localhost:3000", ROUTING.mentions)
        begins()
        replace(alerts, ledger=ledger, reader=reader).run_pass(wait_s=5)
    ledger.close()


def open_ledger(file: Path, step: Step) -> Ledger:
    """Open a ledger; making a new one's tables takes a step before each statement."""
    if file.exists():
        return SteppingLedger(engine_at(f"sqlite:///{file}"), step)

    def before_statement(*_: object) -> None:
        step()

    event.listen(Engine, "before_cursor_execute", before_statement)
    engine = engine_at(f"sqlite:///{file}")
    event.remove(Engine, "before_cursor_execute", before_statement)
    return SteppingLedger(engine, step)


def in_child(command: Command) -> int:
    """Run a pass in a child, and kill it when it is time. Returns its exit code, negative for a signal."""
    assert threading.active_count() == 1, "a fork would copy locks that nobody is left to release"
    ready, is_ready = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run_pass(command, lambda: os.write(is_ready, b"."))
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(is_ready)
    os.read(ready, 1)
    os.close(ready)
    if command.dies_after_s is not None:
        time.sleep(command.dies_after_s)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def load_everything() -> None:
    """Have what the first pass loads late; its storage is closed again."""
    with TemporaryDirectory() as folder, shop_in(Path(folder)) as shop, FakeSlack() as slack:
        for name in ("data-alerts", "data-daily"):
            slack.add_channel(name)
        shop.run("orders=F3")
        run_pass(Command(str(shop.home), folder, slack.token, slack.url, "UTC", 0), lambda: None)


if __name__ == "__main__":
    load_everything()
    for line in sys.stdin:
        print(in_child(Command(**json.loads(line))), flush=True)
