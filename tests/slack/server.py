"""The fake Slack's HTTP."""

import contextlib
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl

from tests.slack.faults import Answer


class Workspace(Protocol):
    """What answers the requests."""

    scopes: set[str]

    def answer(self, method: str, token: str, arguments: Mapping[str, Any]) -> Answer | None:
        """What a request gets; None: its connection is dropped."""

    def upload(self, file: str, content: bytes) -> Answer | None:
        """What an upload to the address of a file gets; None: its connection is dropped."""

    def is_closing_within(self, seconds: float) -> bool:
        """Wait, unless or until the workspace is closed; returns whether it is."""


class Server(ThreadingHTTPServer):
    """Listens on this machine only, on a port (0: any that is free)."""

    # Threads are waited for on closing: none may outlive its test.
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, port: int, slack: Workspace) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.slack = slack


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def handle(self) -> None:
        # Clients are killed and give up; that is what this fake is for.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            return
        if self.path.startswith("/upload/"):
            self._say(self.server.slack.upload(self.path.removeprefix("/upload/"), body))
            return
        # slack_sdk says JSON also where there is no body at all.
        is_json = body and "json" in self.headers.get("Content-Type", "")
        arguments = json.loads(body) if is_json else dict(parse_qsl(body.decode()))
        token = arguments.pop("token", "") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        self._say(self.server.slack.answer(self.path.removeprefix("/api/"), token, arguments))

    def _say(self, answer: Answer | None) -> None:
        if answer is None:
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("X-OAuth-Scopes", ",".join(sorted(self.server.slack.scopes)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not answer.pause:
            self.wfile.write(answer.body.encode())
            return
        for character in answer.body:
            if self.server.slack.is_closing_within(answer.pause):
                return
            self.wfile.write(character.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: tests read `requests`."""
