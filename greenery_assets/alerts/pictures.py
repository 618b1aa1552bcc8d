"""The report's picture in messages: named by its content, so that each message shows the picture it was written with.

A message holds an image block with that name in the place of Slack's id of the file; the transport uploads the picture
and puts the id there. A picture that is not to be had is left out: it never keeps a message back.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from time import sleep
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackClientError

from greenery_assets.alerts.blocks import Block
from greenery_assets.alerts.deadline import within

# For the three requests of an upload; one that takes longer may be there for the next message.
LONGEST_UPLOAD_S = 4
# What is left for the message itself.
KEPT_FOR_MESSAGE_S = 5
# Slack takes a picture before it has looked at it, and refuses a message that shows it until then.
PAUSES_S = (0.5, 1.0, 2.0)
T = TypeVar("T")


def name_of(picture: Path, since: datetime) -> str:
    """The name of a picture by its content; empty where there is none that was drawn since a time."""
    try:
        is_new = picture.stat().st_mtime >= since.timestamp()
        return _name(picture.read_bytes()) if is_new else ""
    except OSError:
        return ""


def read(picture: Path, name: str) -> bytes | None:
    """The picture of that name, if it is still there."""
    try:
        content = picture.read_bytes()
    except OSError:
        return None
    return content if _name(content) == name else None


def shown_in(blocks: Sequence[Block]) -> str:
    """The name of the picture in a message; empty where there is none."""
    return next((str(block["slack_file"]["id"]) for block in blocks if block["type"] == "image"), "")


class Pictures:
    """Puts the picture that lies at a path into messages to a client's workspace."""

    def __init__(self, client: WebClient, picture: Path, log: logging.Logger) -> None:
        self._client = client
        self._picture = picture
        self._log = log
        self._uploaded = _files_of(client.base_url, client.token or "")

    def send(
        self,
        blocks: Sequence[Block],
        send: Callable[[list[Block]], T],
        refused: type[Exception],
        time_left: Callable[[], float],
    ) -> T:
        """Send blocks with their picture, or without it where it, or the message with it, is `refused`.

        `time_left` (seconds) is for all of it.
        """
        name = shown_in(blocks)
        without = [block for block in blocks if block["type"] != "image"]
        file = self._file(name, time_left() - KEPT_FOR_MESSAGE_S) if name else ""
        if file:
            pictured = [
                {**block, "slack_file": {"id": file}} if block["type"] == "image" else block for block in blocks
            ]
            for pause in PAUSES_S:
                try:
                    return send(pictured)
                except refused:
                    if time_left() < pause + KEPT_FOR_MESSAGE_S:
                        break
                    sleep(pause)
            self._log.error("Slack does not show the picture of the state of the data; the message goes without it.")
        return send(without)

    def _file(self, name: str, seconds: float) -> str:
        content = None if name in self._uploaded else read(self._picture, name)
        if content is not None:
            try:
                within(min(LONGEST_UPLOAD_S, seconds), lambda: self._upload(name, content))
            except (SlackClientError, OSError, HTTPException, ValueError, LookupError, TypeError) as error:
                self._log.warning(
                    f"The picture of the state of the data could not be uploaded to Slack ({_reason(error)}); the "
                    "message goes without it."
                )
        return self._uploaded.get(name, "")

    def _upload(self, name: str, content: bytes) -> None:
        answer = self._client.files_upload_v2(
            content=content, filename=self._picture.name, title="State of the data", alt_txt="State of the data"
        )
        self._uploaded[name] = str(answer["file"]["id"])


@cache
def _files_of(base_url: str, token: str) -> dict[str, str]:  # noqa: ARG001  they say which workspace
    """Slack's ids of the pictures uploaded so far, by name: an edit of a message need not upload it again."""
    return {}


def _name(content: bytes) -> str:
    return sha256(content).hexdigest()[:24]


def _reason(error: Exception) -> str:
    answer: Mapping[str, Any] = getattr(getattr(error, "response", None), "data", None) or {}
    if isinstance(answer, Mapping) and answer.get("error") == "missing_scope":
        return f"the app lacks the scope {answer.get('needed')}: paste the README's manifest again, and install it anew"
    return str(answer.get("error") or type(error).__name__) if isinstance(answer, Mapping) else type(error).__name__
