"""Slack as a transport: its calls, and its refusals in plain words. Retries and order are the business of notify."""

import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.client import HTTPException
from math import inf
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import getproxies
from uuid import uuid4

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from greenery_assets.alerts.blocks import Block, picture_in, read_picture
from greenery_assets.alerts.messages import Message
from greenery_assets.alerts.notify import (
    LONGEST_WAIT,
    AccessRefusedError,
    ChannelRefusedError,
    ContentRefusedError,
    DeliveryError,
    MaybeDeliveredError,
    RateLimitedError,
    Receipt,
    ThreadGoneError,
    UnreachableError,
)
from greenery_assets.alerts.project import Project

T = TypeVar("T")

# For a request, however its answer comes.
TIMEOUT_S = 5
# For all the requests of one message; what was looked up or uploaded in them, the next ones need not.
LONGEST_STEP_S = 10
LONGEST_SEARCH_S = 4
# For the three requests of an upload; one that takes longer may be there for the next message.
LONGEST_UPLOAD_S = 4
# What is left for the message itself.
KEPT_FOR_MESSAGE_S = 5
# Slack takes a picture before it has looked at it, and refuses a message that shows it until then.
PAUSES_S = (0.5, 1.0, 2.0)
# Where Slack asks for a pause and does not say for how long.
DEFAULT_PAUSE_S = 30
EVENT_TYPE = "data_alert"
# Their clock and ours may differ by as much.
CLOCK_SKEW = timedelta(minutes=5)

ACCESS = {
    "not_authed": "Slack got no token. {new_token}",
    "invalid_auth": "Slack does not know the token in {token}. {new_token}",
    "account_inactive": "The token in {token} belongs to an app that was removed. {new_token}",
    "token_revoked": "The token in {token} was revoked. Install the Slack app again. {new_token}",
    "token_expired": "The token in {token} has expired. {new_token}",
    "not_allowed_token_type": "{token} must be a bot token (xoxb-...). {new_token}",
    "no_permission": "The Slack app may not do this. Ask an administrator of the workspace to allow it.",
    "org_login_required": "The Slack workspace is being moved. Messages are kept and sent when it is back.",
    "ekm_access_denied": "An administrator has suspended posting in this Slack workspace. Ask them.",
    "missing_scope": "The Slack app lacks the scope {needed}. Add it under OAuth & Permissions, or paste the app's "
    "manifest again, then install the app again.",
}
ARCHIVED = "The Slack channel {channel} is archived. Restore it, or name another one ({setting}, or the alerts file)."
CHANNEL = {
    "channel_not_found": "Slack has no channel {channel} that the app can see. Create it or correct the name "
    "({setting}, or the alerts file); if it is private, invite the app: /invite @{sender}.",
    "not_in_channel": "The Slack app is not in {channel}. Invite it there: /invite @{sender}.",
    "is_archived": ARCHIVED,
    "is_inactive": ARCHIVED,
    "restricted_action": "Only some people may post in {channel}. Ask an administrator to let the app.",
    "messages_tab_disabled": "{channel} is no channel but an app's own page. Name a channel.",
}
GONE = ("thread_not_found", "message_not_found", "cant_update_message", "edit_window_closed", "cannot_reply_to_message")
CONTENT = (
    *("invalid_blocks", "invalid_blocks_format", "block_mismatch", "msg_too_long", "msg_blocks_too_long", "no_text"),
    *("invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large", "invalid_arguments"),
)
LIMITED = ("ratelimited", "rate_limited", "message_limit_exceeded")
TROUBLE = ("internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org")
TROUBLED = MaybeDeliveredError, "Slack has trouble ({code}); it is tried again."
# What Slack's codes mean; there is none where something else than Slack answered.
REFUSALS: Mapping[str, tuple[type[DeliveryError], str]] = {
    **{code: (AccessRefusedError, words) for code, words in ACCESS.items()},
    **{code: (ChannelRefusedError, words) for code, words in CHANNEL.items()},
    **dict.fromkeys(GONE, (ThreadGoneError, "A message in {channel} to reply to or to edit was deleted ({code}).")),
    **dict.fromkeys(CONTENT, (ContentRefusedError, "Slack does not take a message for {channel} as it is ({code}).")),
    **dict.fromkeys(TROUBLE, TROUBLED),
    "": (
        MaybeDeliveredError,
        "Something else than Slack answered ({code}). Look whether a proxy or a sign-in page stands between this "
        "machine and Slack, and at {address} if it is set. It is tried again.",
    ),
}
OTHERWISE = (
    ChannelRefusedError,
    "Slack refuses what is for {channel} ({code}); its documentation of chat.postMessage says what that means. "
    "Messages are kept and tried again.",
)


def slack_client(token: str, base_url: str) -> WebClient:
    """A client that neither retries, which would post twice, nor logs what is logged in plain words."""
    log = logging.getLogger(f"{__name__}.sdk")
    log.disabled = True
    return WebClient(token, base_url=base_url, timeout=TIMEOUT_S, retry_handlers=[], logger=log)


def words_of(project: Project) -> dict[str, str]:
    """What the texts of refusals name: the project's settings and its app."""
    token, address = project.setting("SLACK_TOKEN"), project.setting("SLACK_API_URL")
    return {
        "token": token,
        "new_token": f"Copy the bot token of the Slack app (OAuth & Permissions) into {token} and start again.",
        "setting": project.setting("SLACK_CHANNEL"),
        "address": address,
        "network": f"Look at this machine's network, and at {address} if it is set. Messages are kept and sent when it "
        "is back.",
        "sender": project.sender,
    }


@cache
def _known_to(base_url: str, token: str) -> tuple[dict[str, str], dict[str, str]]:  # noqa: ARG001  which workspace
    """Slack's ids of channels by name and of uploaded pictures by content: Slack counts how often it is asked."""
    return {}, {}


def within(seconds: float, work: Callable[[], T]) -> T:
    """What work gives, or what it raises; TimeoutError when it takes longer.

    It then goes on in a thread that nothing waits for, so it must not be in the way of anything.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    Thread(target=run, daemon=True).start()
    return done.result(max(seconds, 0))


class SlackTransport:
    """Sends to the Slack workspace of a client. Channel names are looked up once, as finding needs their ids."""

    is_preview = False

    def __init__(self, client: WebClient, project: Project, log: logging.Logger) -> None:
        self._client = client
        self._project = project
        self._words = words_of(project)
        self._log = log
        self._ids, self._uploaded = _known_to(client.base_url, client.token or "")
        self._is_reached = False
        self._ends_at = inf

    def post(
        self, channel: str, message: Message, delivery_id: str, thread: Receipt | None, *, is_broadcast: bool
    ) -> Receipt:
        """Send a message. Nothing in it is turned into a mention or a link that is not marked as one."""
        with self._together():
            answer = self._send(
                channel,
                "chat.postMessage",
                message,
                channel=self.channel_id(channel),
                thread_ts=thread.ts if thread else None,
                reply_broadcast=is_broadcast or None,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"delivery_id": delivery_id}},
                unfurl_links=False,
                unfurl_media=False,
            )
        return Receipt(answer["channel"], answer["ts"])

    def edit(self, posted: Receipt, message: Message) -> Receipt:
        with self._together():
            self._send(posted.channel, "chat.update", message, channel=posted.channel, ts=posted.ts)
        return posted

    def find(self, channel: str, delivery_id: str, thread: Receipt | None, since: datetime) -> Receipt | None:
        """Look through the channel, or the thread, since a little before a time."""
        where = {"ts": thread.ts} if thread else {}
        with self._together():
            pages = self._pages(
                channel,
                "conversations.replies" if thread else "conversations.history",
                channel=self.channel_id(channel),
                oldest=f"{(since - CLOCK_SKEW).timestamp():.6f}",
                include_all_metadata=True,
                limit=200,
                **where,
            )
            for page in pages:
                for found in page["messages"]:
                    if found.get("metadata", {}).get("event_payload", {}).get("delivery_id") == delivery_id:
                        return Receipt(self.channel_id(channel), found["ts"])
        return None

    def identity(self) -> tuple[str, str]:
        answer = self._call("", "auth.test")
        return answer["team"], answer["user"]

    def try_out(self, channel: str, message: Message) -> None:
        """Do everything in a channel that alerts will: post, reply, edit, and find both again."""
        began = datetime.now(UTC)
        posted_id, reply_id = f"test-{uuid4()}", f"test-{uuid4()}"
        posted = self.post(channel, message, posted_id, None, is_broadcast=False)
        self.post(channel, message, reply_id, posted, is_broadcast=False)
        self.edit(posted, message)
        for delivery_id, thread in ((reply_id, posted), (posted_id, None)):
            if self.find(channel, delivery_id, thread, began) is None:
                raise ContentRefusedError(
                    f"A message posted to {channel} could not be found again: after a lost connection it could be "
                    "posted twice. Look whether the app may read the channel's history."
                )

    def try_pictures(self) -> None:
        """Ask whether pictures may be uploaded, without uploading one."""
        self._call("", "files.getUploadURLExternal", filename="test.png", length=1)

    def channel_id(self, channel: str) -> str:
        if not channel.startswith("#"):
            return channel
        if channel not in self._ids:
            pages = self._pages(
                channel,
                "conversations.list",
                types="public_channel,private_channel",
                exclude_archived=False,
                limit=1000,
            )
            for page in pages:
                self._ids.update({f"#{found['name']}": found["id"] for found in page["channels"]})
                if channel in self._ids:
                    break
        if channel not in self._ids:
            raise ChannelRefusedError(CHANNEL["channel_not_found"].format(channel=channel, **self._words))
        return self._ids[channel]

    def _send(self, shown_channel: str, method: str, message: Message, **arguments: Any) -> dict[str, Any]:
        """Send a message with its picture, or without it where Slack refuses it, or the message with it."""

        def send(blocks: list[Block]) -> dict[str, Any]:
            # An edit to plain text takes the blocks away.
            given = blocks or ([] if method == "chat.update" else None)
            return self._call(shown_channel, method, text=message.text, blocks=given, parse="none", **arguments)

        name = picture_in(message.blocks)
        file = self._file(name) if name else ""
        if file:
            pictured = [
                {**block, "slack_file": {"id": file}} if block["type"] == "image" else block for block in message.blocks
            ]
            for pause in PAUSES_S:
                try:
                    return send(pictured)
                except ContentRefusedError:
                    if self._time_left() < pause + KEPT_FOR_MESSAGE_S:
                        break
                    sleep(pause)
            self._log.error("Slack does not show the picture of the state of the data; the message goes without it.")
        return send([block for block in message.blocks if block["type"] != "image"])

    def _file(self, name: str) -> str:
        """Slack's id of the picture of that name; empty where it is not to be had."""
        file = self._project.picture
        content = read_picture(file, name) if file and name not in self._uploaded else None
        if content is not None:
            seconds = min(LONGEST_UPLOAD_S, self._time_left() - KEPT_FOR_MESSAGE_S)
            try:
                within(seconds, lambda: self._upload(name, content))
            except (SlackClientError, OSError, HTTPException, ValueError, LookupError, TypeError) as error:
                self._log.warning(
                    f"The picture of the state of the data could not be uploaded to Slack ({_upload_error(error)}); "
                    "the message goes without it."
                )
        return self._uploaded.get(name, "")

    def _upload(self, name: str, content: bytes) -> None:
        title = "State of the data"
        answer = self._client.files_upload_v2(content=content, filename="state.png", title=title, alt_txt=title)
        self._uploaded[name] = str(answer["file"]["id"])

    @contextmanager
    def _together(self) -> Iterator[None]:
        """All requests within it have their time together."""
        self._ends_at = monotonic() + LONGEST_STEP_S
        try:
            yield
        finally:
            self._ends_at = inf

    def _time_left(self) -> float:
        return self._ends_at - monotonic()

    def _pages(self, shown_channel: str, method: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """All pages of an answer, as far as there is time for."""
        ends_at = monotonic() + LONGEST_SEARCH_S
        cursor = None
        while cursor != "":
            if monotonic() > ends_at:
                raise ChannelRefusedError(
                    f"Slack gives too many pages of {method} for {shown_channel}. If the channel is named, write its "
                    "id instead (channel name > View channel details, at the bottom)."
                )
            page = self._call(shown_channel, method, cursor=cursor, **arguments)
            yield page
            cursor = page.get("response_metadata", {}).get("next_cursor", "")

    def _reach(self, seconds: float) -> None:
        """Connect once, saying nothing, and give up in time.

        A request would wait for each address of Slack in turn, and for a name server as long as that takes.
        """
        server = urlsplit(self._client.base_url)
        address = server.hostname or "", server.port or (443 if server.scheme == "https" else 80)
        try:
            within(seconds, lambda: socket.create_connection(address, timeout=seconds / 3).close())
        except TimeoutError:
            raise UnreachableError(f"Slack cannot be reached (it does not answer). {self._words['network']}") from None
        except OSError:
            # The request, which fails as fast, says why.
            pass
        self._is_reached = True

    def _call(self, shown_channel: str, method: str, **arguments: Any) -> dict[str, Any]:
        if self._time_left() <= 0:
            raise UnreachableError("Slack answers slowly; what is left follows with the next pass.")
        if not (self._is_reached or getproxies()):
            self._reach(min(TIMEOUT_S, self._time_left()))
        seconds = min(TIMEOUT_S, self._time_left())
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            body: dict[str, Any] = {"json": given} if method.startswith("chat.") else {"params": given}
            answer = within(seconds, lambda: self._client.api_call(method, **body))
        except SlackApiError as error:
            refusal = _refusal(error, shown_channel, self._words)
            if isinstance(refusal, ChannelRefusedError):
                # It may have been made again, with another id.
                self._ids.pop(shown_channel, None)
            raise refusal from None
        except TimeoutError as error:
            raise MaybeDeliveredError(
                f"Slack did not answer within {seconds:.2g} s ({method}); it is tried again."
            ) from error
        except URLError as error:
            if isinstance(error.reason, ConnectionRefusedError | socket.gaierror):
                raise UnreachableError(f"Slack cannot be reached ({error.reason}). {self._words['network']}") from None
            raise MaybeDeliveredError(
                f"The connection to Slack broke ({error.reason}); it is tried again. If it stays so, look at this "
                "machine's network."
            ) from None
        # slack_sdk takes every JSON for an object.
        except (OSError, HTTPException, SlackClientError, ValueError, AttributeError) as error:
            raise MaybeDeliveredError(
                f"The connection to Slack broke ({type(error).__name__}, {method}); it is tried again."
            ) from None
        return answer.data if isinstance(answer.data, dict) else {}


def _refusal(error: SlackApiError, channel: str, words: Mapping[str, str]) -> DeliveryError:
    answer = error.response
    data = answer.data if isinstance(answer.data, dict) else {}
    # For an answer that is no JSON, slack_sdk puts a sentence in the place of Slack's code.
    code = next(iter(re.findall(r"^\w+$", str(data.get("error", "")))), "")
    if answer.status_code == 429 or code in LIMITED:
        given = str(answer.headers.get("Retry-After", ""))
        # A number too long to be read is long enough.
        seconds = min(int(given[:9]), int(LONGEST_WAIT.total_seconds())) if given.isdecimal() else DEFAULT_PAUSE_S
        reason = f"Slack takes no more messages for {seconds} s; the rest follows then."
        return RateLimitedError(reason, timedelta(seconds=seconds))
    # Slack has more codes that begin so.
    known = "restricted_action" if code.startswith("restricted_action") else code
    kind, text = TROUBLED if answer.status_code >= 500 else REFUSALS.get(known, OTHERWISE)
    shown = code or f"HTTP {answer.status_code}"
    return kind(text.format(code=shown, channel=channel, needed=data.get("needed"), **words))


def _upload_error(error: Exception) -> str:
    answer = getattr(getattr(error, "response", None), "data", None)
    if not isinstance(answer, Mapping):
        return type(error).__name__
    if answer.get("error") == "missing_scope":
        return f"the app lacks the scope {answer.get('needed')}: paste the app's manifest again, and reinstall it"
    return str(answer.get("error") or type(error).__name__)
